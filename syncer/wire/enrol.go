package wire

import (
	"crypto/ed25519"

	"github.com/muster-sec/muster/syncer"
)

// EnrolChallenge opens an enrolment.
type EnrolChallenge struct {
	// Nonce is 32 random bytes of the primary.
	Nonce []byte
}

// Encode returns c as a frame.
func (c EnrolChallenge) Encode() Frame {
	var e encoder
	e.bytes(2, c.Nonce)
	return Frame{Type: TypeChallenge, Body: e}
}

// DecodeEnrolChallenge reads the body of a challenge frame.
func DecodeEnrolChallenge(body []byte) (c EnrolChallenge, err error) {
	err = scan("challenge", body, func(number uint64, f field) bool {
		if number != 2 {
			return false
		}
		c.Nonce = f.bytes()
		return true
	})
	return c, err
}

// EnrolApply asks for membership under a join token.
type EnrolApply struct {
	Federation, Token string
	// Pin is the CA pin of the ticket.
	Pin syncer.Hash
	// Nonce is 32 random bytes of the joiner.
	Nonce []byte
	// Request is a PKCS #10 certificate request in DER.
	Request []byte
	// Name is what the joiner wants to be called; Info is opaque to syncer.
	Name string
	Info []byte
	// Signature is made with the key of the ticket.
	Signature []byte
}

// Encode returns a as a frame.
func (a EnrolApply) Encode() Frame {
	var e encoder
	e.string(2, a.Federation)
	e.string(4, a.Token)
	e.hash(6, a.Pin)
	e.bytes(8, a.Nonce)
	e.bytes(10, a.Request)
	e.bytes(12, a.Signature)
	e.string(14, a.Name)
	e.bytes(1, a.Info)
	return Frame{Type: TypeApply, Body: e}
}

// DecodeEnrolApply reads the body of an apply frame.
func DecodeEnrolApply(body []byte) (a EnrolApply, err error) {
	err = scan("application", body, func(number uint64, f field) bool {
		switch number {
		case 2:
			a.Federation = f.string()
		case 4:
			a.Token = f.string()
		case 6:
			a.Pin = f.hash()
		case 8:
			a.Nonce = f.bytes()
		case 10:
			a.Request = f.bytes()
		case 12:
			a.Signature = f.bytes()
		case 14:
			a.Name = f.string()
		case 1:
			a.Info = f.bytes()
		default:
			return false
		}
		return true
	})
	return a, err
}

// EnrolGrant is the content of a grant frame; the frame holds it as a [Seal] whose
// signature is the CA's.
type EnrolGrant struct {
	// Member is the id that the primary gave.
	Member string
	// Chain is the certificate of the member and that of its CA, in DER.
	Chain [][]byte
	// ContentKey verifies the feed.
	ContentKey ed25519.PublicKey
	// Settings are opaque to syncer.
	Settings []byte
}

// Encode returns the bytes that the CA signs.
func (g EnrolGrant) Encode() []byte {
	var e encoder
	e.string(2, g.Member)
	for _, c := range g.Chain {
		e.value(4, c)
	}
	e.bytes(6, g.ContentKey)
	e.bytes(1, g.Settings)
	return e
}

// DecodeEnrolGrant reads the content of a grant frame.
func DecodeEnrolGrant(body []byte) (g EnrolGrant, err error) {
	err = scan("grant", body, func(number uint64, f field) bool {
		switch number {
		case 2:
			g.Member = f.string()
		case 4:
			g.Chain = append(g.Chain, f.bytes())
		case 6:
			g.ContentKey = f.bytes()
		case 1:
			g.Settings = f.bytes()
		default:
			return false
		}
		return true
	})
	return g, err
}

// EnrolRefusal says why an enrolment or a renewal is refused.
type EnrolRefusal struct {
	// Code is for machines, Reason for people.
	Code, Reason string
}

// Encode returns r as a frame.
func (r EnrolRefusal) Encode() Frame {
	var e encoder
	e.string(2, r.Code)
	e.string(4, r.Reason)
	return Frame{Type: TypeRefusal, Body: e}
}

// DecodeEnrolRefusal reads the body of a refusal frame.
func DecodeEnrolRefusal(body []byte) (r EnrolRefusal, err error) {
	err = scan("refusal", body, func(number uint64, f field) bool {
		switch number {
		case 2:
			r.Code = f.string()
		case 4:
			r.Reason = f.string()
		default:
			return false
		}
		return true
	})
	return r, err
}
