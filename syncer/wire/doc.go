// Package wire is the form in which syncer's two sides speak: frames on a byte
// stream, the messages in them, and the signatures of the primary's content key.
//
// # Frames
//
// A frame is a type byte, a flag byte, a big-endian uint32 length and that many
// bytes. A body longer than [ChunkSize] travels as several frames of one type, all
// but the last flagged "more". Reassembly is bounded per type before memory is
// taken; see [Limits].
//
// # Messages
//
// A body is a list of fields: uvarint number, uvarint length, value. A value is an
// unsigned varint, a string, bytes, or again a list of fields. Zero values are left
// out; a repeated field is a list. The encoding is written by hand because it is
// fifty lines, has no optional spellings to sign around, and leaves nothing to a
// generator. Signatures cover bytes as they were sent, never a re-encoding.
//
// # Skew
//
// Of frame types and field numbers alike, odd ones may be skipped by who does not
// know them, and even ones must be understood or the peer is refused with
// [syncer.ErrVersion]. A release that only adds odd numbers talks to its
// neighbours; whatever needs an even one is announced by a capability in [Hello].
package wire
