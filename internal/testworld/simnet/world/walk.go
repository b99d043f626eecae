package world

import "github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

// AtOrBefore is the newest block at or before slot in the chain of head.
func AtOrBefore(c Chain, head *BeaconBlock, slot primitives.Slot) *BeaconBlock {
	if slot >= head.Slot {
		return head
	}
	for ; slot > 0; slot-- {
		if block, ok := c.Ancestor(head, slot); ok {
			return block
		}
	}
	return c.HeadAt(0)
}
