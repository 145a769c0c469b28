package cmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

const (
	maxInput  = 16 << 20 // a file that is read whole: rules, a review, a CA
	maxSecret = 64 << 10
	maxLine   = 4 << 10 // an answer typed at a prompt
)

// open opens a file that an argument names; "-" is standard input.
func (in *invocation) open(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(in.Stdin), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, usagef("%w", err)
	}
	return f, nil
}

// readFile reads a file of bounded size whole; "-" is standard input.
func (in *invocation) readFile(name string) ([]byte, error) { return in.readAtMost(name, maxInput) }

func (in *invocation) readAtMost(name string, limit int64) ([]byte, error) {
	r, err := in.open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, usagef("read %s: %w", sourceName(name), err)
	}
	if int64(len(data)) > limit {
		return nil, usagef("%s is larger than %d bytes", sourceName(name), limit)
	}
	return data, nil
}

// secretFile reads a secret; white space around it is not part of it.
func (in *invocation) secretFile(name string) (string, error) {
	data, err := in.readAtMost(name, maxSecret)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(data))
	if secret == "" {
		return "", usagef("%w", emptySource(name))
	}
	return secret, nil
}

// password comes from the file that a flag names, or else from the terminal. A
// new one is asked for twice.
func (in *invocation) password(flag, prompt string, isNew bool) (string, error) {
	if file := in.text(flag); file != "" {
		return in.secretFile(file)
	}
	if !in.Terminal.Stdin {
		return "", usagef("a password is needed, and there is no terminal to ask on").withTry("--%s FILE, or - for standard input", flag)
	}
	first, err := in.secretLine(prompt)
	if err != nil || !isNew {
		return first, err
	}
	again, err := in.secretLine("the same again: ")
	if err != nil {
		return "", err
	}
	if first != again {
		return "", usagef("the two passwords differ")
	}
	return first, nil
}

func (in *invocation) secretLine(prompt string) (string, error) {
	fmt.Fprint(in.Stderr, prompt)
	line, err := in.Terminal.Secret()
	fmt.Fprintln(in.Stderr)
	if err != nil {
		return "", failf("read the password: %w", err)
	}
	if line == "" {
		return "", usagef("the password is empty")
	}
	return line, nil
}

// ask asks on the terminal and gives the line typed.
func (in *invocation) ask(prompt string) (string, error) {
	fmt.Fprint(in.Stderr, prompt)
	line, err := readLine(in.Stdin)
	if err != nil {
		return "", failf("read the answer: %w", err)
	}
	return strings.TrimSpace(line), nil
}

// confirm asks before something that cannot be undone; --yes answers for it.
func (in *invocation) confirm(question string) error {
	if in.flags.Bool("yes") {
		return nil
	}
	if !in.Terminal.Stdin {
		return usagef("%s There is no terminal to ask on", question).withTry("the same with --yes")
	}
	answer, err := in.ask(question + " Type yes to go on: ")
	if err != nil {
		return err
	}
	if !strings.EqualFold(answer, "yes") {
		return failf("nothing was changed")
	}
	return nil
}

// readLine reads byte by byte, so that nothing behind the line is lost to the
// next question.
func readLine(r io.Reader) (string, error) {
	var line []byte
	var b [1]byte
	for len(line) < maxLine {
		n, err := r.Read(b[:])
		if n == 1 {
			if b[0] == '\n' {
				return string(line), nil
			}
			line = append(line, b[0])
		}
		if err != nil && (!errors.Is(err, io.EOF) || len(line) == 0) {
			return "", err
		}
		if err != nil {
			return string(line), nil
		}
	}
	return "", fmt.Errorf("longer than %d bytes", maxLine)
}
