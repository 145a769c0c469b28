package plughost

import "runtime"

// launcher starts all processes from one operating system thread that lives as
// long as they do. On Linux a child is killed when the thread that started it
// ends, not when the process does; a thread of Go's pool may end early, this
// one cannot. A child also inherits the processors that the thread may use.
type launcher struct {
	jobs chan func()
	turn int // of choosing processors; used on the thread only
}

func newLauncher() *launcher { return &launcher{jobs: make(chan func())} }

// run serves until close. The thread is given up locked, so that it ends, and
// with it any process still left.
func (l *launcher) run() {
	runtime.LockOSThread()
	for job := range l.jobs {
		job()
	}
}

// start calls f, which starts a process, on the thread confined to that many
// processors, and waits for it.
func (l *launcher) start(processors int, f func() error) error {
	done := make(chan error, 1)
	l.jobs <- func() {
		l.turn++
		done <- onProcessors(processors, l.turn, f)
	}
	return <-done
}

// close ends run. No start may follow.
func (l *launcher) close() { close(l.jobs) }
