package pair

// watchedLooks is in how many looks the peers of a node are read again once it
// had none: until then they are of interest in each.
const watchedLooks = 6

// peerWatch counts the looks that still read the peers of a node; they are read
// seldom otherwise.
type peerWatch int

// read reads the number of peers; nil if it was not had.
func (w *peerWatch) read(count func() (uint64, error)) *uint64 {
	n, err := count()
	if err != nil {
		return nil
	}
	if n == 0 {
		*w = watchedLooks
	} else if *w > 0 {
		*w--
	}
	return &n
}
