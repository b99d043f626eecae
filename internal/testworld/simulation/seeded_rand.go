package simulation

import (
	"math/bits"
	"time"
)

// seededRand is a stream of choices that depends on nothing but what it was made of,
// so that one choice more somewhere moves no other one.
type seededRand struct{ state uint64 }

func newSeededRand(parts ...uint64) *seededRand { return &seededRand{mix(parts...)} }

// mix hashes numbers.
func mix(parts ...uint64) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, p := range parts {
		h = scramble(h ^ p)
	}
	return h
}

// scramble is a bijection that spreads every bit (the finalizer of splitmix64).
func scramble(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// digest hashes texts, with a separator between them.
func digest(texts ...string) uint64 {
	h := uint64(14695981039346656037)
	for _, text := range texts {
		for i := range len(text) {
			h = (h ^ uint64(text[i])) * 1099511628211
		}
		h = (h ^ 0xff) * 1099511628211
	}
	return scramble(h)
}

func digestBytes(data []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range data {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return scramble(h)
}

func (d *seededRand) next() uint64 {
	d.state = scramble(d.state)
	return d.state
}

// upTo gives a number from 0 to n-1.
func (d *seededRand) upTo(n int) int {
	hi, _ := bits.Mul64(d.next(), uint64(n))
	return int(hi)
}

// between gives a number from low to high, both included.
func (d *seededRand) between(low, high int) int { return low + d.upTo(high-low+1) }

// chance is true in so many of a hundred cases.
func (d *seededRand) chance(percent int) bool { return d.upTo(100) < percent }

// span gives a time from low to high.
func (d *seededRand) span(low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	hi, _ := bits.Mul64(d.next(), uint64(high-low))
	return low + time.Duration(hi)
}

func pick[T any](d *seededRand, of ...T) T { return of[d.upTo(len(of))] }
