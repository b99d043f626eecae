// Package ledger keeps what syncd has sent to gwat and what gwat has confirmed, in memory
// and in the journal. It holds the operator's pause too. A journal that cannot be written
// stops nothing: the ledger then says so, and a restarted syncd waits for gwat's lock
// instead of taking a ready over.
package ledger
