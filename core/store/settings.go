package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/muster-sec/muster/core/feed"
	"github.com/muster-sec/muster/core/model"
)

// fedSettingsName is the row of table meta that holds model.FedSettings as JSON.
const fedSettingsName = "fed_settings"

// FedSettings gives the federation's switches; all are off outside a federation.
func (s *Store) FedSettings(ctx context.Context) (settings model.FedSettings, err error) {
	err = s.read(ctx, func(tx *sql.Tx) error {
		settings, err = readFedSettings(tx)
		return err
	})
	return settings, err
}

// SetFedSettings sets the switches and publishes them, with the CI results that
// may travel from now on, or without those that may not any more.
func (s *Store) SetFedSettings(ctx context.Context, settings model.FedSettings) error {
	record, err := feed.Put(feed.KindSettings, "settings", settings)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *sql.Tx) error {
		before, err := readFedSettings(tx)
		if err != nil {
			return err
		}
		if err := putFedSettings(tx, settings); err != nil {
			return err
		}
		if before.SyncCIResults != settings.SyncCIResults {
			if err := s.republishCI(tx, settings.SyncCIResults); err != nil {
				return err
			}
		}
		return s.publish(tx, record)
	})
}

func readFedSettings(q querier) (settings model.FedSettings, err error) {
	var body []byte
	err = q.QueryRow(`SELECT value FROM meta WHERE name = ?`, fedSettingsName).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return settings, nil
	}
	if err == nil {
		err = json.Unmarshal(body, &settings)
	}
	if err != nil {
		return settings, fmt.Errorf("store: read the federation's settings: %w", err)
	}
	return settings, nil
}

func putFedSettings(tx *sql.Tx, settings model.FedSettings) error {
	body, err := json.Marshal(settings)
	if err == nil {
		_, err = tx.Exec(`INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
			fedSettingsName, string(body))
	}
	if err != nil {
		return fmt.Errorf("store: write the federation's settings: %w", err)
	}
	return nil
}
