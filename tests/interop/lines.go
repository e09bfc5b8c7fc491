package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// lineMax bounds a line of the standard input: an object of a run is in it.
const lineMax = 16 << 20

var input = func() *bufio.Scanner {
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Buffer(nil, lineMax)
	return scanner
}()

// next reads the next line into a value; io.EOF says that there is none. A key that the value does not have is an error.
func next(value any) error {
	if !input.Scan() {
		if err := input.Err(); err != nil {
			return err
		}
		return io.EOF
	}
	decoder := json.NewDecoder(bytes.NewReader(input.Bytes()))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		return fmt.Errorf("a line of the input: %w", err)
	}
	return nil
}

// each calls a function with every line of the input, and says what it answers.
func each[In, Out any](answer func(In) (Out, error)) error {
	for {
		var in In
		if err := next(&in); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		out, err := answer(in)
		if err != nil {
			return err
		}
		if err := say(out); err != nil {
			return err
		}
	}
}

// say writes a line at once, since somebody may wait for it.
func say(value any) error {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// inputEnd is closed when the standard input ends, which is how a subcommand that works on is stopped.
func inputEnd() <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		for input.Scan() {
			// Nothing is said to it.
		}
		close(ended)
	}()
	return ended
}
