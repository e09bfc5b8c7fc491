// Interop plays the Go library luno/workflow on the wire: its statements on the tables, its client of Kafka.
//
// Each subcommand reads one JSON object a line from the standard input and answers each with a line on the standard
// output, so that tests can drive it. What cannot be done is told on the standard error, with exit code 1.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"
)

// settings are the flags of all subcommands.
type settings struct {
	database   string
	brokers    string
	topic      string
	group      string
	workflow   string
	partitions int
	max        int
	// What the step of the worker does.
	from        int
	to          int
	description string
	terminal    bool
	patience    time.Duration
}

var commands = map[string]func(context.Context, settings) error{
	"advance":    advance,
	"callback":   callback,
	"cancel":     cancelRun,
	"consume":    consume,
	"decode":     decode,
	"delete":     deleteData,
	"encode":     encode,
	"latest":     latest,
	"lookup":     lookup,
	"outbox":     listOutbox,
	"partition":  partition,
	"pause":      pause,
	"produce":    produce,
	"relay":      relay,
	"relay-once": relayOnce,
	"resume":     resume,
	"scrub":      scrub,
	"trigger":    trigger,
	"work":       work,
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 || commands[args[0]] == nil {
		return fmt.Errorf("no such subcommand; there are %s", strings.Join(names(), ", "))
	}
	var s settings
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.StringVar(&s.database, "database", "", "mysql://user:password@host:port/database")
	flags.StringVar(&s.brokers, "brokers", "", "host:port,host:port")
	flags.StringVar(&s.topic, "topic", "", "the topic to consume")
	flags.StringVar(&s.group, "group", "", "the consumer group, which is the name of a role")
	flags.StringVar(&s.workflow, "workflow", "", "the workflow whose outbox is meant")
	flags.IntVar(&s.partitions, "partitions", 1, "how many partitions the topic has")
	flags.IntVar(&s.max, "max", 1, "how many messages to consume")
	flags.IntVar(&s.from, "from", 0, "the status that the worker's step takes runs out of")
	flags.IntVar(&s.to, "to", 0, "the status that it takes them to")
	flags.StringVar(&s.description, "description", "", "what that status is called")
	flags.BoolVar(&s.terminal, "terminal", false, "whether runs end there")
	flags.DurationVar(&s.patience, "patience", time.Minute, "how long all of it may take")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.patience)
	defer cancel()
	return commands[args[0]](ctx, s)
}

func names() []string {
	var all []string
	for name := range commands {
		all = append(all, name)
	}
	sort.Strings(all)
	return all
}
