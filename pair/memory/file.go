package memory

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"
	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/status"
)

const (
	// SaveEvery is how often Keep writes the file.
	SaveEvery = 10 * time.Minute
	// MostBytes bounds the file.
	MostBytes = 1 << 20

	version = 1
)

// header is the first line of the file; the points of the tiers follow it, and four
// bytes of checksum over all.
type header struct {
	Version  int             `json:"version"`
	Stages   []fsm.Stage     `json:"stages"`   // what the numbers of the points mean
	Verdicts []string        `json:"verdicts"` // the same
	Points   [len(kept)]int  `json:"points"`   // of each tier
	Record   json.RawMessage `json:"record"`
}

var errDamaged = errors.New("it is damaged, or of another version of syncd")

// Open returns the past that is kept at path. Without a file, and with one that cannot be
// read, the past has no points; note says why if there is a file.
func Open(path string) (m *Memory, note string) {
	m = &Memory{}
	err := m.load(path)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		m.loadLatest(path)
		return m, ""
	}
	m = &Memory{}
	m.loadLatest(path)
	return m, fmt.Sprintf("the past of the pair, %s, cannot be read (%v); its charts begin empty", path, err)
}

func (m *Memory) load(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, MostBytes+1))
	if err != nil {
		return err
	}
	return m.decode(raw)
}

func (m *Memory) decode(raw []byte) error {
	body := len(raw) - crc32.Size
	if body < 0 || len(raw) > MostBytes || crc32.ChecksumIEEE(raw[:body]) != binary.BigEndian.Uint32(raw[body:]) {
		return errDamaged
	}
	line, rest, _ := bytes.Cut(raw[:body], []byte("\n"))
	var head header
	if err := json.Unmarshal(line, &head); err != nil {
		return errDamaged
	}
	if head.Version != version || !slices.Equal(head.Stages, stages) || !slices.Equal(head.Verdicts, verdicts) {
		return errDamaged
	}
	if err := json.Unmarshal(head.Record, &m.record); err != nil {
		return errDamaged
	}
	in := bytes.NewReader(rest)
	for i, n := range head.Points {
		if n < 0 || n > kept[i].capacity() {
			return errDamaged
		}
		m.tiers[i].points = make([]point, n)
		for j := range n {
			p := &m.tiers[i].points[j]
			for _, field := range p.fields() {
				if err := binary.Read(in, binary.BigEndian, field); err != nil {
					return errDamaged
				}
			}
			if int(p.stage) >= len(stages) || int(p.verdict) >= len(verdicts) {
				return errDamaged
			}
		}
	}
	m.record.resume()
	m.verdict = status.VerdictUnknown // until the first snapshot
	if finest := &m.tiers[0]; len(finest.points) > 0 {
		m.last = finest.at(len(finest.points) - 1).time()
	}
	return nil
}

func (p *point) fields() []any {
	return []any{&p.at, &p.seq, &p.values, &p.known, &p.working, &p.stage, &p.verdict, &p.has}
}

// encode returns the file.
func (m *Memory) encode() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rec, err := json.Marshal(m.record)
	if err != nil {
		return nil, err
	}
	head := header{Version: version, Stages: stages, Verdicts: verdicts, Record: rec}
	for i := range m.tiers {
		head.Points[i] = len(m.tiers[i].points)
	}
	out, err := json.Marshal(head)
	if err != nil {
		return nil, err
	}
	out = append(out, '\n')
	for i := range m.tiers {
		for j := range m.tiers[i].points {
			for _, field := range m.tiers[i].at(j).fields() {
				if out, err = binary.Append(out, binary.BigEndian, field); err != nil {
					return nil, err
				}
			}
		}
	}
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out)), nil
}

// Save writes the past to path: after a crash there is the file from before or the new one.
func (m *Memory) Save(path string) error {
	raw, err := m.encode()
	if err != nil {
		return err
	}
	return write(path, raw)
}

func write(path string, raw []byte) error {
	return renameio.WriteFile(path, raw, 0o600, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(0o600))
}

// Keep writes the past to path every SaveEvery, and once more when ctx ends. Every
// LatestEvery it writes the few values that change with each poll, so that a syncd that is
// killed does not begin with old ones. It logs the first of several failures in a row.
func (m *Memory) Keep(ctx context.Context, path string, log logrus.FieldLogger) {
	tick := time.NewTicker(LatestEvery)
	defer tick.Stop()
	logged, written := false, time.Now()
	for ended := false; !ended; {
		save := m.saveLatest
		select {
		case <-ctx.Done():
			ended, save = true, m.Save
		case <-tick.C:
			if time.Since(written) >= SaveEvery {
				save, written = m.Save, time.Now()
			}
		}
		err := save(path)
		if err != nil && !logged {
			log.WithError(err).Warn("The past of the pair cannot be written; after a restart its charts begin at the last one that was; see whether the disk of --data-dir has room")
		}
		logged = err != nil
	}
}
