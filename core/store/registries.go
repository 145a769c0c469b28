package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/feed"
	"github.com/muster-sec/muster/core/model"
)

// secrets is what of a registry is sealed.
type secrets struct {
	Password string `json:"password,omitempty"`
	Token    string `json:"token,omitempty"`
	PushKey  string `json:"push_key,omitempty"`
	// Settings are the secret settings of the plugin, each as JSON.
	Settings map[string]string `json:"settings,omitempty"`
}

// AddRegistry keeps a new registry. It fails with fault.Conflict when the name is taken.
func (s *Store) AddRegistry(ctx context.Context, r model.Registry) error {
	sealed, err := s.seal(r)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *sql.Tx) error {
		var taken bool
		if err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM registries WHERE name = ?)`, r.Name).Scan(&taken); err != nil {
			return fmt.Errorf("store: look for registry %s: %w", r.Name, err)
		}
		if taken {
			return fault.New(fault.Conflict, "registry %s exists already", r.Name).WithHint("choose another name, or change the existing registry")
		}
		if err := putRegistry(tx, model.Local, r); err != nil {
			return err
		}
		_, err := tx.Exec(`UPDATE registries SET secrets = ?, scheduled_at = ? WHERE origin = 'local' AND name = ?`, sealed, millis(r.CreatedAt), r.Name)
		if err != nil {
			return fmt.Errorf("store: write registry %s: %w", r.Name, err)
		}
		return s.publishRegistry(tx, r)
	})
}

// UpdateRegistry replaces a registry that is administered here. A new schedule
// starts to count at r.UpdatedAt. It fails with fault.NotFound.
func (s *Store) UpdateRegistry(ctx context.Context, r model.Registry) error {
	sealed, err := s.seal(r)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *sql.Tx) error {
		var body []byte
		var scheduled int64
		err := tx.QueryRow(`SELECT body, scheduled_at FROM registries WHERE origin = 'local' AND name = ?`, r.Name).Scan(&body, &scheduled)
		if err != nil {
			return registryError(r.Name, err)
		}
		var old model.Registry
		if err := json.Unmarshal(body, &old); err != nil {
			return fmt.Errorf("store: decode registry %s: %w", r.Name, err)
		}
		if old.Schedule != r.Schedule {
			scheduled = millis(r.UpdatedAt)
		}
		if err := putRegistry(tx, model.Local, r); err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE registries SET secrets = ?, scheduled_at = ? WHERE origin = 'local' AND name = ?`, sealed, scheduled, r.Name)
		if err != nil {
			return fmt.Errorf("store: write registry %s: %w", r.Name, err)
		}
		return s.publishRegistry(tx, r)
	})
}

// RemoveRegistry forgets a registry that is administered here, its runs, jobs
// and tags; a federated one everywhere. What its images contain stays until
// retention collects it. It fails with fault.NotFound.
func (s *Store) RemoveRegistry(ctx context.Context, name string) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		done, err := tx.Exec(`DELETE FROM registries WHERE origin = 'local' AND name = ?`, name)
		if err != nil {
			return fmt.Errorf("store: remove registry %s: %w", name, err)
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return registryError(name, errors.Join(err, sql.ErrNoRows))
		}
		if err := s.removeTagsOf(tx, name); err != nil {
			return err
		}
		for _, q := range []string{
			`DELETE FROM images WHERE origin = 'local' AND status IN ('scheduled', 'scanning')
				AND digest IN (SELECT digest FROM jobs WHERE run_id IN (SELECT id FROM runs WHERE registry = ?))
				AND NOT EXISTS (SELECT 1 FROM verdicts v WHERE v.digest = images.digest)`,
			`DELETE FROM jobs WHERE run_id IN (SELECT id FROM runs WHERE registry = ?)`,
			`DELETE FROM runs WHERE registry = ?`,
		} {
			if _, err := tx.Exec(q, name); err != nil {
				return fmt.Errorf("store: remove registry %s: %w", name, err)
			}
		}
		if !model.IsFederatedName(name) {
			return nil
		}
		return s.publish(tx, feed.Delete(feed.KindRegistry, name))
	})
}

// Registry is one registry with its secrets and its last run. It fails with
// fault.NotFound.
func (s *Store) Registry(ctx context.Context, name string) (model.RegistryStatus, error) {
	list, err := s.registries(ctx, `WHERE r.name = ?`, name)
	if err != nil {
		return model.RegistryStatus{}, err
	}
	if len(list) == 0 {
		return model.RegistryStatus{}, registryError(name, sql.ErrNoRows)
	}
	return list[0], nil
}

// Source is one registry that is administered here, with its secrets: what a
// scan needs to reach it. It fails with fault.NotFound.
func (s *Store) Source(ctx context.Context, name string) (model.Registry, error) {
	var body, sealed []byte
	err := s.reads.QueryRowContext(ctx, `SELECT body, secrets FROM registries WHERE origin = 'local' AND name = ?`, name).Scan(&body, &sealed)
	if err != nil {
		return model.Registry{}, registryError(name, err)
	}
	return s.openRegistry(body, sealed)
}

// Registries are all registries by name, local and federated, with their
// secrets and last runs. NextRun is not filled in.
func (s *Store) Registries(ctx context.Context) ([]model.RegistryStatus, error) {
	return s.registries(ctx, ``)
}

func (s *Store) registries(ctx context.Context, where string, args ...any) ([]model.RegistryStatus, error) {
	rows, err := s.reads.QueryContext(ctx, `SELECT r.body, r.secrets,
			(SELECT count(DISTINCT coalesce(c.digest, t.digest)) FROM tags t
				LEFT JOIN index_children c ON c.index_digest = t.digest
				WHERE t.origin = r.origin AND t.registry = r.name),
			(SELECT max(id) FROM runs WHERE registry = r.name AND r.origin = 'local')
		FROM registries r `+where+` ORDER BY r.name`, args...)
	if err != nil {
		return nil, fmt.Errorf("store: read registries: %w", err)
	}
	defer rows.Close()
	var list []model.RegistryStatus
	var runs []sql.NullInt64
	for rows.Next() {
		var body, sealed []byte
		var st model.RegistryStatus
		var run sql.NullInt64
		if err := rows.Scan(&body, &sealed, &st.Images, &run); err != nil {
			return nil, fmt.Errorf("store: read registries: %w", err)
		}
		if st.Registry, err = s.openRegistry(body, sealed); err != nil {
			return nil, err
		}
		list, runs = append(list, st), append(runs, run)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read registries: %w", err)
	}
	for i, id := range runs {
		if !id.Valid {
			continue
		}
		run, err := s.Run(ctx, list[i].Name, id.Int64)
		if err != nil {
			return nil, err
		}
		list[i].LastRun = &run
	}
	return list, nil
}

// Schedules are the schedules of the registries administered here.
func (s *Store) Schedules(ctx context.Context) ([]model.Timetable, error) {
	rows, err := s.reads.QueryContext(ctx, `SELECT body, scheduled_at FROM registries WHERE origin = 'local' ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("store: read schedules: %w", err)
	}
	defer rows.Close()
	var list []model.Timetable
	for rows.Next() {
		var body []byte
		var answered int64
		if err := rows.Scan(&body, &answered); err != nil {
			return nil, fmt.Errorf("store: read schedules: %w", err)
		}
		var r model.Registry
		if err := json.Unmarshal(body, &r); err != nil {
			return nil, fmt.Errorf("store: decode a registry: %w", err)
		}
		if r.Schedule != "" {
			list = append(list, model.Timetable{Registry: r.Name, Schedule: r.Schedule, Answered: time.UnixMilli(answered).UTC()})
		}
	}
	return list, rows.Err()
}

// administered are the registries administered here, without secrets.
func (s *Store) administered(ctx context.Context) ([]model.Registry, error) {
	bodies, err := column[string](s.reads.QueryContext(ctx, `SELECT body FROM registries WHERE origin = 'local' ORDER BY name`))
	if err != nil {
		return nil, err
	}
	list := make([]model.Registry, len(bodies))
	for i, body := range bodies {
		if err := json.Unmarshal([]byte(body), &list[i]); err != nil {
			return nil, fmt.Errorf("store: decode a registry: %w", err)
		}
	}
	return list, nil
}

func (s *Store) openRegistry(body, sealed []byte) (model.Registry, error) {
	var r model.Registry
	if err := json.Unmarshal(body, &r); err != nil {
		return r, fmt.Errorf("store: decode a registry: %w", err)
	}
	if len(sealed) == 0 {
		return r, nil
	}
	if s.sealer == nil {
		return r, fault.New(fault.Internal, "store: the credentials of registry %s are sealed and there is no key", r.Name)
	}
	plain, err := s.sealer.Open(sealed)
	if err != nil {
		return r, fault.New(fault.Unavailable, "store: open the credentials of registry %s: %w", r.Name, err).
			WithHint("restore the key file that belongs to this database, or remove the registry and add it again")
	}
	var sec secrets
	if err := json.Unmarshal(plain, &sec); err != nil {
		return r, fmt.Errorf("store: decode the credentials of registry %s: %w", r.Name, err)
	}
	r.Password, r.Token = model.Secret(sec.Password), model.Secret(sec.Token)
	r.PushKey = model.Secret(sec.PushKey)
	for name, value := range sec.Settings {
		if r.SecretSettings == nil {
			r.SecretSettings = map[string]model.Secret{}
		}
		r.SecretSettings[name] = model.Secret(value)
	}
	return r, nil
}

// seal encrypts a registry's secrets; nil when it has none.
func (s *Store) seal(r model.Registry) ([]byte, error) {
	if r.Password == "" && r.Token == "" && r.PushKey == "" && len(r.SecretSettings) == 0 {
		return nil, nil
	}
	if s.sealer == nil {
		return nil, fault.New(fault.Internal, "store: no key to seal the credentials of registry %s with", r.Name)
	}
	sec := secrets{Password: r.Password.Reveal(), Token: r.Token.Reveal(), PushKey: r.PushKey.Reveal(), Settings: map[string]string{}}
	for name, value := range r.SecretSettings {
		sec.Settings[name] = value.Reveal()
	}
	plain, err := json.Marshal(sec)
	if err != nil {
		return nil, fmt.Errorf("store: encode the credentials of registry %s: %w", r.Name, err)
	}
	sealed, err := s.sealer.Seal(plain)
	if err != nil {
		return nil, fmt.Errorf("store: seal the credentials of registry %s: %w", r.Name, err)
	}
	return sealed, nil
}

// publishRegistry tells members of a federated registry: what it is, not how to log in.
func (s *Store) publishRegistry(tx *sql.Tx, r model.Registry) error {
	if !r.Federated() {
		return nil
	}
	r.Username, r.Password, r.Token = "", "", ""
	r.Settings, r.SecretSettings = nil, nil
	rec, err := feed.Put(feed.KindRegistry, r.Name, r)
	if err != nil {
		return err
	}
	return s.publish(tx, rec)
}

// putRegistry writes a registry without its secrets. Secrets and the schedule's
// state of a row that exists stay.
func putRegistry(tx *sql.Tx, origin model.Origin, r model.Registry) error {
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("store: encode registry %s: %w", r.Name, err)
	}
	_, err = tx.Exec(`INSERT INTO registries (origin, name, body, scheduled_at) VALUES (?, ?, ?, 0)
		ON CONFLICT (origin, name) DO UPDATE SET body = excluded.body`, origin, r.Name, body)
	if err != nil {
		return fmt.Errorf("store: write registry %s: %w", r.Name, err)
	}
	return nil
}

// deleteRegistry removes a registry's row; its tags are facts of their own.
func deleteRegistry(tx *sql.Tx, origin model.Origin, name string) error {
	if _, err := tx.Exec(`DELETE FROM registries WHERE origin = ? AND name = ?`, origin, name); err != nil {
		return fmt.Errorf("store: remove registry %s: %w", name, err)
	}
	return nil
}

func registryError(name string, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fault.New(fault.NotFound, "there is no registry %s here", name).WithHint("muster registry list shows those there are")
	}
	return fmt.Errorf("store: read registry %s: %w", name, err)
}
