package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"

	ingestv1 "github.com/muster-sec/muster/plugins/proto/ingest/v1"
)

// IngestClient speaks to an ingest plugin over a connection.
type IngestClient struct {
	rpc ingestv1.IngestServiceClient
}

var _ Ingester = (*IngestClient)(nil)

// NewIngestClient returns a client over conn, which it does not close. It is
// safe for concurrent use.
func NewIngestClient(conn grpc.ClientConnInterface) *IngestClient {
	return &IngestClient{rpc: ingestv1.NewIngestServiceClient(conn)}
}

// Recognize asks whether the plugin reads documents that begin like head.
func (c *IngestClient) Recognize(ctx context.Context, head []byte) (string, error) {
	r, err := c.rpc.Recognize(ctx, &ingestv1.RecognizeRequest{Head: head[:min(len(head), MaxHead)]})
	switch {
	case err != nil:
		return "", fromWire(err)
	case !r.GetRecognized():
		return "", nil
	case r.GetFormat() == "" || len(r.GetFormat()) > 64:
		return "", fmt.Errorf("%w: the plugin names the format %.64q", ErrInvalid, r.GetFormat())
	default:
		return r.GetFormat(), nil
	}
}

// Parse sends a document and hands the parts that come back to sink, which is
// called from another goroutine than the caller's, but never from two at a
// time and never after Parse has returned. An error of the plugin is noticed
// at the next read of doc, so doc must not block for ever.
func (c *IngestClient) Parse(ctx context.Context, doc io.Reader, sink Sink) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.rpc.Parse(ctx)
	if err != nil {
		return fromWire(err)
	}
	received := make(chan error, 1)
	go func() {
		err := receiveParts(stream.Recv, sink)
		if err != nil {
			cancel() // lets a blocked send go
		}
		received <- err
	}()
	if err := sendDocument(doc, stream.Send); err != nil {
		cancel()
		if rerr := <-received; rerr != nil && !errors.Is(rerr, context.Canceled) {
			return rerr // the plugin's reason, not what it did to our sending
		}
		return err
	}
	if err := stream.CloseSend(); err != nil {
		cancel()
		<-received
		return fromWire(err)
	}
	return <-received
}

// sendDocument sends doc in chunks. Once the other side has ended the call it
// stops: the reason is on the receiving half.
func sendDocument(doc io.Reader, send func(*ingestv1.ParseRequest) error) error {
	err := eachChunk(doc, func(chunk []byte) error {
		return send(&ingestv1.ParseRequest{Chunk: chunk})
	})
	if errors.Is(err, errPeerEnded) {
		return nil
	}
	return err
}

func receiveParts(next func() (*ingestv1.ParseResponse, error), sink Sink) error {
	subjects, parts := 0, 0
	for {
		r, err := next()
		if errors.Is(err, io.EOF) {
			if subjects != 1 {
				return fmt.Errorf("%w: the plugin named %d subjects in one document", ErrInvalid, subjects)
			}
			return nil
		}
		if err != nil {
			return fromWire(err)
		}
		if r.GetSubject() != nil {
			subjects++
		}
		parts += 1 + len(r.GetPackages().GetPackages()) + len(r.GetFindings().GetFindings())
		if parts > maxParts {
			return fmt.Errorf("%w: the document has more than %d parts", ErrLimit, maxParts)
		}
		if err := deliver(r, sink); err != nil {
			return err
		}
	}
}

func deliver(r *ingestv1.ParseResponse, sink Sink) error {
	switch part := r.GetPart().(type) {
	case *ingestv1.ParseResponse_Subject:
		return sink.Subject(subjectFromProto(part.Subject))
	case *ingestv1.ParseResponse_Packages:
		packages := make([]Package, 0, len(part.Packages.GetPackages()))
		for _, p := range part.Packages.GetPackages() {
			packages = append(packages, packageFromProto(p))
		}
		return sink.Packages(packages)
	case *ingestv1.ParseResponse_Findings:
		findings := make([]Finding, 0, len(part.Findings.GetFindings()))
		for _, f := range part.Findings.GetFindings() {
			findings = append(findings, findingFromProto(f))
		}
		return sink.Findings(findings)
	case *ingestv1.ParseResponse_Warning:
		return sink.Warn(oneLine(part.Warning.GetMessage()))
	default:
		return nil // a part of a newer contract
	}
}
