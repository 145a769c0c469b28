package admission

import (
	"sync"
	"time"
)

// recentDenials is how many denials are kept for people to look at.
const recentDenials = 50

// Denial is one refused request.
type Denial struct {
	Time      time.Time
	Operation string
	Kind      string
	Namespace string
	Name      string
	User      string
	Rule      uint32
	Message   string
}

// Stats counts decisions since the start.
type Stats struct {
	Allowed  uint64
	Violated uint64 // allowed, and a rule in monitor mode would have refused
	Denied   uint64
	Failed   uint64   // no decision could be made
	Day      uint64   // decisions of the last 24 hours, to the hour
	Recent   []Denial // newest first, the last 50
}

// Stats are the counts and the last denials since the start.
func (s *Service) Stats() Stats { return s.tally.stats(s.o.Now()) }

// tally counts. Its zero value is ready, and it is safe for concurrent use.
type tally struct {
	mu   sync.Mutex
	sums Stats // Recent is a ring, whose next place is at next
	next int
	// hours are the decisions of the last day by the hour (since 1970) modulo 24.
	hours [24]struct {
		hour  int64
		count uint64
	}
}

func (t *tally) count(now time.Time, req Request, d Decision, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		hour := now.Unix() / 3600
		slot := &t.hours[hour%24]
		if slot.hour != hour {
			slot.hour, slot.count = hour, 0
		}
		slot.count++
	}
	switch {
	case err != nil:
		t.sums.Failed++
	case d.Allowed:
		t.sums.Allowed++
		if len(d.Violations) > 0 {
			t.sums.Violated++
		}
	default:
		t.sums.Denied++
		t.keep(Denial{
			Time: now, Operation: req.Operation, Kind: req.Kind, Namespace: req.Namespace, Name: req.Name,
			User: req.User, Rule: d.Rule.Rule.ID, Message: cut(d.Message, maxMessageBytes),
		})
	}
}

func (t *tally) keep(d Denial) {
	if len(t.sums.Recent) < recentDenials {
		t.sums.Recent = append(t.sums.Recent, d)
		return
	}
	t.sums.Recent[t.next] = d
	t.next = (t.next + 1) % recentDenials
}

func (t *tally) stats(now time.Time) Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.sums
	for _, slot := range t.hours {
		if slot.hour > now.Unix()/3600-24 {
			s.Day += slot.count
		}
	}
	s.Recent = make([]Denial, 0, len(t.sums.Recent))
	for i := len(t.sums.Recent) - 1; i >= 0; i-- {
		s.Recent = append(s.Recent, t.sums.Recent[(t.next+i)%len(t.sums.Recent)])
	}
	return s
}
