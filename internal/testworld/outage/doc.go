// Package outage says what may be shown of a pair of which a node does not answer, and makes
// snapshots of such pairs: in every stage, of both eras, with either node or both down. Each
// value in them is found nowhere else, so that a test sees where an old one is still shown.
package outage
