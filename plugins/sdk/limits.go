package sdk

// Limits that hold on both sides of the border, whatever a plugin or a host
// asks for.
const (
	// MaxMessage is the size in bytes that one gRPC message may have.
	MaxMessage = 16 << 20
	// MaxChunk is the size in bytes of the pieces that documents, objects and
	// byte streams travel in.
	MaxChunk = 256 << 10
	// MaxHead is how many leading bytes of a document Recognize gets to see.
	MaxHead = 64 << 10
	// MaxDocument is the size in bytes that a document may have.
	MaxDocument = 512 << 20
	// MaxObject is the size in bytes that one published object may have.
	MaxObject = 64 << 30
	// MaxConfig is the size in bytes that one configuration may have.
	MaxConfig = 1 << 20
	// MaxListed is how many repositories or tags one listing may yield.
	MaxListed = 1_000_000

	maxPage      = 512       // items in one page of a listing or a batch
	maxBatch     = 1 << 20   // bytes after which a batch is sent
	maxErrorText = 4 << 10   // bytes of an error's text on the wire
	maxParts     = 5_000_000 // packages, findings and warnings of one document
)
