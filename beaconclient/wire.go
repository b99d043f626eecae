package beaconclient

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/failure"
)

// maxHashes is how many hashes a field of a block may hold, by the network's rule.
const maxHashes = 128

// decimal is a number as a decimal string, the form of all numbers of the REST API.
type decimal uint64

// UnmarshalJSON takes a string of digits only.
func (d *decimal) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("want a decimal string: %w", err)
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return fmt.Errorf("want a decimal string, got %q: %w", failure.Text(text), errors.Unwrap(err))
	}
	*d = decimal(n)
	return nil
}

// hashRow is a field of 32-byte hashes in a row; "" and "0x" hold none.
type hashRow []common.Hash

const hashDigits = 2 * common.HashLength

// UnmarshalJSON takes 0x and a whole number of hashes, at most maxHashes.
func (r *hashRow) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("want hashes in a row: %w", err)
	}
	digits, prefixed := strings.CutPrefix(text, "0x")
	switch {
	case text == "":
	case !prefixed:
		return fmt.Errorf("hashes in a row without 0x: %q", failure.Text(text))
	case len(digits)%hashDigits != 0:
		return fmt.Errorf("%d hex digits are no whole number of %d-byte hashes", len(digits), common.HashLength)
	case len(digits)/hashDigits > maxHashes:
		return fmt.Errorf("%d hashes in a field, at most %d are allowed", len(digits)/hashDigits, maxHashes)
	}
	raw, err := hex.DecodeString(digits)
	if err != nil {
		return fmt.Errorf("hashes in a row: %w", err)
	}
	*r = make(hashRow, 0, len(raw)/common.HashLength)
	for ; len(raw) > 0; raw = raw[common.HashLength:] {
		*r = append(*r, common.BytesToHash(raw[:common.HashLength]))
	}
	return nil
}

// missing names the fields that are not there; null counts as not there.
func missing(fields map[string]bool) error {
	var names []string
	for name, there := range fields {
		if !there {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("lacks %s", strings.Join(names, ", "))
}
