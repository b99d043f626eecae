package poll

// watchedPolls is in how many polls the peers of a node are read again once it
// had none: until then they are of interest in each.
const watchedPolls = 6

// peerWatch counts the polls that still read the peers of a node; they are read
// seldom otherwise.
type peerWatch int

// read reads the number of peers; nil if it was not read.
func (w *peerWatch) read(count func() (uint64, error)) *uint64 {
	n, err := count()
	if err != nil {
		return nil
	}
	if n == 0 {
		*w = watchedPolls
	} else if *w > 0 {
		*w--
	}
	return &n
}
