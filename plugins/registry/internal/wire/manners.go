package wire

import "errors"

const (
	defaultConcurrency = 8
	maxConcurrency     = 64
	maxPerSecond       = 1000
)

// Manners are the settings that bound how hard one registry is asked.
type Manners struct {
	// Concurrency is how many requests may be under way at once; 0 means 8.
	Concurrency int `json:"concurrency,omitempty"`
	// RequestsPerSecond bounds the rate of requests; 0 means no bound but what
	// the registry itself asks for.
	RequestsPerSecond float64 `json:"requests_per_second,omitempty"`
}

// Check says what is wrong with the settings.
func (m Manners) Check() error {
	switch {
	case m.Concurrency < 0 || m.Concurrency > maxConcurrency:
		return errors.New("concurrency: write a number from 1 to 64")
	case m.RequestsPerSecond != 0 && !(m.RequestsPerSecond >= 0.01 && m.RequestsPerSecond <= maxPerSecond):
		return errors.New("requests_per_second: write a number from 0.01 to 1000")
	default:
		return nil
	}
}
