package plughost

import "runtime"

// launcher starts all processes from one operating system thread that lives as
// long as they do. On Linux a child is killed when the thread that started it
// ends, not when the process does; a thread of Go's pool may end early, this
// one cannot.
type launcher struct {
	jobs chan func()
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

// do runs f on the thread and waits for it.
func (l *launcher) do(f func() error) error {
	done := make(chan error, 1)
	l.jobs <- func() { done <- f() }
	return <-done
}

// close ends run. No do may follow.
func (l *launcher) close() { close(l.jobs) }
