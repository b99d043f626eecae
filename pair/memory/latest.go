package memory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"time"

	"github.com/gwatsync/syncd/status"
)

const (
	// LatestEvery is how often Keep writes what changes with each poll.
	LatestEvery = time.Minute
	// latestBytes is the size of that file, one page: it is written in place and without a
	// sync. A new file each minute, made durable, writes more to the disk and waits for it.
	latestBytes = 4096
	sumBytes    = 9 // of a checksum in hex and a space
	latestRoom  = latestBytes - sumBytes - 1
)

// latest is the small file beside the past: what was known last of the verdict and of both
// nodes. It is written more often than the past, which is larger.
type latest struct {
	At     time.Time `json:"at"` // of the newest snapshot
	Record record    `json:"record"`
}

// latestPath returns the path of the small file of the past at path.
func latestPath(path string) string { return path + ".latest" }

// saveLatest writes the small file.
func (m *Memory) saveLatest(path string) error {
	m.mu.Lock()
	now := latest{At: m.last, Record: m.record}
	m.mu.Unlock()
	text, err := json.Marshal(now)
	if trouble := now.Record.Trouble; err == nil && len(text) > latestRoom && trouble != nil {
		named := *trouble // its summary is the only text of any length; its name says the same
		named.Summary, now.Record.Trouble = "", &named
		text, err = json.Marshal(now)
	}
	if err != nil {
		return err
	}
	page := bytes.Repeat([]byte{' '}, latestBytes)
	page[latestBytes-1] = '\n'
	copy(page[sumBytes:latestBytes-1], text)
	copy(page, fmt.Sprintf("%08x", crc32.ChecksumIEEE(page[sumBytes:])))
	file, err := os.OpenFile(latestPath(path), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(page)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	return err
}

// loadLatest takes the small file in if it is newer than the past. One that is missing, or was
// torn by a crash of the machine, adds nothing: the past has older values of the same.
func (m *Memory) loadLatest(path string) {
	page, err := os.ReadFile(latestPath(path))
	if err != nil || len(page) != latestBytes || string(page[:sumBytes]) != fmt.Sprintf("%08x ", crc32.ChecksumIEEE(page[sumBytes:])) {
		return
	}
	var l latest
	if err := json.Unmarshal(page[sumBytes:], &l); err != nil || !l.At.After(m.last) {
		return
	}
	m.record, m.last, m.verdict = l.Record, l.At, status.VerdictUnknown
	m.record.resume()
}
