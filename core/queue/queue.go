// Package queue tells workers which scan jobs wait, over NATS JetStream. A
// message is a job's row id and nothing else: the row is the truth, the stream
// may be lost, and whoever fills it again from the rows repairs everything. By
// default the server runs inside the process, without a port, and keeps its
// stream in the data directory; an outside NATS can be configured instead, so
// that workers on other machines hear of the same jobs.
package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	streamName   = "MUSTER_JOBS"
	consumerName = "workers"
	subject      = "muster.jobs." // and the row id
)

// Options set up a queue.
type Options struct {
	// Dir holds the embedded server's stream. It is ignored with URL.
	Dir string
	// URL of an outside NATS server with JetStream; empty runs one in the process.
	URL string
	// Redeliver is after how long a job comes again whose worker went silent;
	// a minute when zero.
	Redeliver time.Duration
	Logger    *slog.Logger
}

// Queue is an open queue. It is safe for concurrent use.
type Queue struct {
	server   *server.Server // nil with an outside one
	conn     *nats.Conn
	stream   jetstream.JetStream
	consumer jetstream.Consumer
	log      *slog.Logger
}

// startWithin bounds the start of the embedded server, and answerWithin every
// request to a server.
const (
	startWithin  = 30 * time.Second
	answerWithin = 10 * time.Second
)

// Open starts or reaches the server and makes sure that stream and consumer
// exist. The embedded server's stream begins empty: fill it from the rows. Close it.
func Open(ctx context.Context, o Options) (*Queue, error) {
	if o.Redeliver == 0 {
		o.Redeliver = time.Minute
	}
	q := &Queue{log: o.Logger}
	if err := q.connect(o); err != nil {
		return nil, errors.Join(err, q.Close())
	}
	if err := q.declare(ctx, o); err != nil {
		return nil, errors.Join(err, q.Close())
	}
	return q, nil
}

func (q *Queue) connect(o Options) (err error) {
	options := []nats.Option{nats.Name("muster"), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(false)}
	if o.URL != "" {
		if q.conn, err = nats.Connect(o.URL, options...); err != nil {
			return fmt.Errorf("queue: connect to the NATS server: %w", err) // the URL may hold a password
		}
		return nil
	}
	q.server, err = server.NewServer(&server.Options{
		ServerName: "muster", DontListen: true, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: o.Dir, SyncAlways: true, JetStreamMaxMemory: 16 << 20, JetStreamMaxStore: 1 << 30,
	})
	if err != nil {
		return fmt.Errorf("queue: make the embedded server: %w", err)
	}
	q.server.Start()
	if !q.server.ReadyForConnections(startWithin) {
		return fmt.Errorf("queue: the embedded server in %s did not start within %s", o.Dir, startWithin)
	}
	if q.conn, err = nats.Connect("", append(options, nats.InProcessServer(q.server))...); err != nil {
		return fmt.Errorf("queue: connect to the embedded server: %w", err)
	}
	return nil
}

// declare makes the stream a set: one message for a job at a time, refused
// while there is one, gone when it is done. So filling it from the rows again
// and again costs nothing.
func (q *Queue) declare(ctx context.Context, o Options) (err error) {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	if q.stream, err = jetstream.New(q.conn); err != nil {
		return fmt.Errorf("queue: open JetStream: %w", err)
	}
	_, err = q.stream.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: streamName, Subjects: []string{subject + "*"}, Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage,
		MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew, DiscardNewPerSubject: true, Duplicates: time.Second,
	})
	if err != nil {
		return fmt.Errorf("queue: make the stream: %w", err)
	}
	if q.server != nil {
		// A process that ended took its workers along: what it had been handed would
		// only come again after Redeliver. The rows fill the stream at once.
		stream, err := q.stream.Stream(ctx, streamName)
		if err == nil {
			err = stream.Purge(ctx)
		}
		if err != nil {
			return fmt.Errorf("queue: empty the stream of a former process: %w", err)
		}
	}
	q.consumer, err = q.stream.CreateOrUpdateConsumer(ctx, streamName, jetstream.ConsumerConfig{
		Durable: consumerName, AckPolicy: jetstream.AckExplicitPolicy, AckWait: o.Redeliver, MaxDeliver: -1, MaxAckPending: 10_000,
	})
	if err != nil {
		return fmt.Errorf("queue: make the consumer: %w", err)
	}
	return nil
}

// Close ends the connection and the embedded server.
func (q *Queue) Close() error {
	if q.conn != nil {
		q.conn.Close()
	}
	if q.server != nil {
		q.server.Shutdown()
		q.server.WaitForShutdown()
	}
	return nil
}

// Publish says that a job waits; it does nothing when that is known already. It
// returns when the message is on the disk.
func (q *Queue) Publish(ctx context.Context, job int64) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	_, err := q.stream.Publish(ctx, subject+strconv.FormatInt(job, 10), nil)
	if err != nil && !isKnown(err) {
		return fmt.Errorf("queue: publish job %d: %w", job, err)
	}
	return nil
}

// errCodeStoreFailed is what JetStream answers to a message that its limits
// refuse; the text alone tells which limit.
const errCodeStoreFailed jetstream.ErrorCode = 10077

// isKnown says that the stream holds a message for the job already.
func isKnown(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == errCodeStoreFailed && strings.Contains(api.Description, "per subject")
}

// Consume calls handle with one job at a time until ctx ends. A job comes again
// when handle says false, or neither returns nor calls keepAlive in time.
// Several callers share the work.
func (q *Queue) Consume(ctx context.Context, handle func(ctx context.Context, job int64, keepAlive func() error) (done bool)) error {
	messages, err := q.consumer.Messages(jetstream.PullMaxMessages(1))
	if err != nil {
		return fmt.Errorf("queue: consume: %w", err)
	}
	stop := context.AfterFunc(ctx, messages.Stop)
	defer stop()
	defer messages.Stop()
	for {
		msg, err := messages.Next()
		if ctx.Err() != nil {
			return ctx.Err() // a message at hand comes again to somebody else
		}
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			return fmt.Errorf("queue: consume: %w", err)
		}
		if err != nil {
			q.log.WarnContext(ctx, "queue disturbed", "error", err)
			continue
		}
		q.deliver(ctx, msg, handle)
	}
}

// redeliverAfter is how soon a job comes again that handle could not work on.
const redeliverAfter = 5 * time.Second

func (q *Queue) deliver(ctx context.Context, msg jetstream.Msg, handle func(context.Context, int64, func() error) bool) {
	job, err := strconv.ParseInt(strings.TrimPrefix(msg.Subject(), subject), 10, 64)
	if err != nil {
		q.log.WarnContext(ctx, "message names no job", "subject", msg.Subject())
		err = msg.Term()
	} else if handle(ctx, job, msg.InProgress) {
		// The next message for the job is refused until this one is gone, so
		// wait for that.
		acking, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWithin)
		defer cancel()
		err = msg.DoubleAck(acking)
	} else {
		err = msg.NakWithDelay(redeliverAfter)
	}
	if err != nil {
		q.log.WarnContext(ctx, "message not settled", "job", job, "error", err)
	}
}
