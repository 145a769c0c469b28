package sdk

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	ingestv1 "github.com/muster-sec/muster/plugins/proto/ingest/v1"
)

// ingestServer serves an author's Ingester.
type ingestServer struct {
	ingestv1.UnimplementedIngestServiceServer
	ingester Ingester
}

func (s *ingestServer) Recognize(ctx context.Context, req *ingestv1.RecognizeRequest) (*ingestv1.RecognizeResponse, error) {
	head := req.GetHead()
	format, err := s.ingester.Recognize(ctx, head[:min(len(head), MaxHead)])
	if err != nil {
		return nil, err
	}
	return &ingestv1.RecognizeResponse{Recognized: format != "", Format: format}, nil
}

func (s *ingestServer) Parse(stream grpc.BidiStreamingServer[ingestv1.ParseRequest, ingestv1.ParseResponse]) error {
	sink := &streamSink{send: stream.Send}
	doc := &chunkReader{limit: MaxDocument, next: func() ([]byte, error) {
		req, err := stream.Recv()
		return req.GetChunk(), err
	}}
	if err := s.ingester.Parse(stream.Context(), doc, sink); err != nil {
		return err
	}
	if !sink.told {
		return fmt.Errorf("%w: the parser named no subject", ErrInvalid)
	}
	return sink.flush()
}

// streamSink collects the parts of a document into batches of bounded size.
type streamSink struct {
	send     func(*ingestv1.ParseResponse) error
	told     bool // the subject has been sent
	packages []*ingestv1.Package
	findings []*ingestv1.Finding
	bytes    int
}

func (s *streamSink) Subject(subject Subject) error {
	if s.told {
		return errors.New("sdk: the subject was named twice")
	}
	s.told = true
	return s.send(&ingestv1.ParseResponse{Part: &ingestv1.ParseResponse_Subject{Subject: subjectToProto(subject)}})
}

func (s *streamSink) Packages(packages []Package) error {
	for _, p := range packages {
		m := packageToProto(p)
		s.packages = append(s.packages, m)
		if err := s.grow(m); err != nil {
			return err
		}
	}
	return nil
}

func (s *streamSink) Findings(findings []Finding) error {
	for _, f := range findings {
		m := findingToProto(f)
		s.findings = append(s.findings, m)
		if err := s.grow(m); err != nil {
			return err
		}
	}
	return nil
}

func (s *streamSink) Warn(message string) error {
	return s.send(&ingestv1.ParseResponse{Part: &ingestv1.ParseResponse_Warning{
		Warning: &ingestv1.Warning{Message: oneLine(message)},
	}})
}

func (s *streamSink) grow(m proto.Message) error {
	s.bytes += proto.Size(m)
	if s.bytes < maxBatch && len(s.packages)+len(s.findings) < maxPage {
		return nil
	}
	return s.flush()
}

func (s *streamSink) flush() error {
	if len(s.packages) > 0 {
		if err := s.send(&ingestv1.ParseResponse{Part: &ingestv1.ParseResponse_Packages{
			Packages: &ingestv1.Packages{Packages: s.packages},
		}}); err != nil {
			return err
		}
	}
	if len(s.findings) > 0 {
		if err := s.send(&ingestv1.ParseResponse{Part: &ingestv1.ParseResponse_Findings{
			Findings: &ingestv1.Findings{Findings: s.findings},
		}}); err != nil {
			return err
		}
	}
	s.packages, s.findings, s.bytes = nil, nil, 0
	return nil
}
