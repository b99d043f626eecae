// Package journal keeps what syncd wants to remember over a restart of its
// own: the call whose answer it does not have yet, the last entry that gwat
// confirmed, a pause and the stage history. It is a hint that is always proved
// again against the nodes, so losing it loses nothing.
//
// Two files hold it, each of lines of JSON with a checksum (crc), so that jq
// reads them: <path> has the values, whole in each line, the newest in the last
// one; <path>.history has a stage change a line. <path>.lock is locked by the
// syncd that has them open.
package journal
