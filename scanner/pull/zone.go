package pull

import (
	"net/netip"
	"slices"
)

// zone is the kind of network that an address belongs to.
type zone string

const (
	public    zone = "public"
	loopback  zone = "of this machine"
	linkLocal zone = "link-local"
	private   zone = "private"
	// metadata gives any process on a cloud's machine the credentials of that
	// machine; no registry is there.
	metadata zone = "a cloud's metadata service"
	nowhere  zone = "no address of a host"
)

// zoneOf tells the kind by the registry of special addresses (RFC 6890, RFC 6598).
func zoneOf(a netip.Addr) zone {
	a = embedded(a.Unmap().WithZone(""))
	switch {
	case slices.Contains(metadataAddresses(), a):
		return metadata
	case a.IsLoopback():
		return loopback
	case a.IsLinkLocalUnicast():
		return linkLocal
	case a.IsPrivate() || netip.MustParsePrefix("100.64.0.0/10").Contains(a):
		return private
	case !a.IsValid() || a.IsUnspecified() || !a.IsGlobalUnicast() || netip.MustParsePrefix("0.0.0.0/8").Contains(a):
		return nowhere
	}
	return public
}

// embedded returns the IPv4 address that an address of a translator stands for
// (RFC 6052, RFC 3056), and others as they are.
func embedded(a netip.Addr) netip.Addr {
	raw := a.As16()
	switch {
	case netip.MustParsePrefix("64:ff9b::/96").Contains(a):
		return netip.AddrFrom4([4]byte(raw[12:]))
	case netip.MustParsePrefix("2002::/16").Contains(a):
		return netip.AddrFrom4([4]byte(raw[2:6]))
	}
	return a
}

// metadataAddresses are those of Amazon, Azure, Google and others, of Amazon by
// IPv6, of Amazon's containers, and of Alibaba.
func metadataAddresses() []netip.Addr {
	return []netip.Addr{
		netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("fd00:ec2::254"),
		netip.MustParseAddr("169.254.170.2"), netip.MustParseAddr("100.100.100.200"),
	}
}
