package compact

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

// TestTheDictionaryNeverChanges holds the dictionary of format 1 against its sum: a
// change would make what is out there unreadable, wherever it is used.
func TestTheDictionaryNeverChanges(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte(dictionary))
	if got, want := hex.EncodeToString(sum[:]), "1407574a10ff37171b56354169cd5d2f9c2cea2991247b1a39a7e63abff84799"; got != want {
		t.Errorf("the sum is %s, want %s: make another format instead", got, want)
	}
}
