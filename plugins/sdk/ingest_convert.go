package sdk

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	ingestv1 "github.com/muster-sec/muster/plugins/proto/ingest/v1"
)

func subjectToProto(s Subject) *ingestv1.Subject {
	return &ingestv1.Subject{
		Registry: s.Registry, Repository: s.Repository, Tag: s.Tag, Digest: s.Digest,
		Platform: s.Platform, ImageId: s.ImageID, DiffIds: s.DiffIDs,
		OsFamily: s.OSFamily, OsVersion: s.OSVersion,
		Tool: s.Tool, ToolVersion: s.ToolVersion,
		Created: timeToProto(s.Created), ListsPackages: s.ListsPackages,
	}
}

func subjectFromProto(s *ingestv1.Subject) Subject {
	return Subject{
		Registry: s.GetRegistry(), Repository: s.GetRepository(), Tag: s.GetTag(), Digest: s.GetDigest(),
		Platform: s.GetPlatform(), ImageID: s.GetImageId(), DiffIDs: s.GetDiffIds(),
		OSFamily: s.GetOsFamily(), OSVersion: s.GetOsVersion(),
		Tool: s.GetTool(), ToolVersion: s.GetToolVersion(),
		Created: timeFromProto(s.GetCreated()), ListsPackages: s.GetListsPackages(),
	}
}

func packageToProto(p Package) *ingestv1.Package {
	return &ingestv1.Package{
		Ecosystem: p.Ecosystem, Name: p.Name, Version: p.Version, Arch: p.Arch,
		SourceName: p.SourceName, SourceVersion: p.SourceVersion,
		Path: p.Path, Purl: p.PURL, Layer: p.Layer, Licenses: p.Licenses,
	}
}

func packageFromProto(p *ingestv1.Package) Package {
	return Package{
		Ecosystem: p.GetEcosystem(), Name: p.GetName(), Version: p.GetVersion(), Arch: p.GetArch(),
		SourceName: p.GetSourceName(), SourceVersion: p.GetSourceVersion(),
		Path: p.GetPath(), PURL: p.GetPurl(), Layer: p.GetLayer(), Licenses: p.GetLicenses(),
	}
}

func findingToProto(f Finding) *ingestv1.Finding {
	return &ingestv1.Finding{
		Id: f.ID, Ecosystem: f.Ecosystem, Package: f.Package,
		InstalledVersion: f.InstalledVersion, FixedVersion: f.FixedVersion,
		Severity: ingestv1.Severity(f.Severity),
		Status:   f.Status, Score: f.Score, Vector: f.Vector,
		Title: f.Title, Description: f.Description, Url: f.URL,
		Path: f.Path, Purl: f.PURL, Layer: f.Layer,
		Published: timeToProto(f.Published), Modified: timeToProto(f.Modified),
	}
}

func findingFromProto(f *ingestv1.Finding) Finding {
	severity := Severity(f.GetSeverity())
	if severity < SeverityUnspecified || severity > SeverityCritical {
		severity = SeverityUnknown // a value of a newer contract
	}
	return Finding{
		ID: f.GetId(), Ecosystem: f.GetEcosystem(), Package: f.GetPackage(),
		InstalledVersion: f.GetInstalledVersion(), FixedVersion: f.GetFixedVersion(),
		Severity: severity, Status: f.GetStatus(), Score: f.GetScore(), Vector: f.GetVector(),
		Title: f.GetTitle(), Description: f.GetDescription(), URL: f.GetUrl(),
		Path: f.GetPath(), PURL: f.GetPurl(), Layer: f.GetLayer(),
		Published: timeFromProto(f.GetPublished()), Modified: timeFromProto(f.GetModified()),
	}
}

func timeToProto(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// timeFromProto reads a missing or impossible time as unknown.
func timeFromProto(t *timestamppb.Timestamp) time.Time {
	if !t.IsValid() {
		return time.Time{}
	}
	return t.AsTime()
}
