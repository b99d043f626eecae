package counted

import (
	"fmt"
	"strings"
)

// Of returns a number with its noun, such as "1 peer" and "2 peers". The noun is a singular; words
// that go with it may come before it.
func Of[N ~int | ~int64 | ~uint64](n N, noun string) string {
	return fmt.Sprintf("%d %s", n, form(n == 1, noun))
}

// Part returns how many of all there are, such as "1 of 2 entries" and "0 of 1 entry".
func Part[N ~int | ~int64 | ~uint64](n, all N, noun string) string {
	return fmt.Sprintf("%d of %s", n, Of(all, noun))
}

func form(one bool, noun string) string {
	stem, y := strings.CutSuffix(noun, "ry")
	switch {
	case one:
		return noun
	case y:
		return stem + "ries"
	}
	return noun + "s"
}
