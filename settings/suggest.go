package settings

import (
	"fmt"
	"slices"

	"github.com/xrash/smetrics"
)

// DidYouMean returns the end of an error that names the known word nearest to a
// misspelt one, "" if none is near.
func DidYouMean(word string, known []string) string {
	if len(known) == 0 {
		return ""
	}
	word = word[:min(len(word), 100)]
	nearest := slices.MaxFunc(known, func(a, b string) int {
		switch x, y := likeness(word, a), likeness(word, b); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	if likeness(word, nearest) < near {
		return ""
	}
	return fmt.Sprintf(", the nearest known one is %q", nearest)
}

// near is the likeness of a word that may be meant; transposed and left out letters are above it.
const near = 0.8

func likeness(a, b string) float64 { return smetrics.JaroWinkler(a, b, 0.7, 4) }
