package journal

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
)

// Whatever bbolt itself writes is taken: keys come at the end and go at the front,
// as in the history, or anywhere, in values of all sizes.
func TestPagesThatBboltWroteAreTaken(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 1))
			path := filepath.Join(t.TempDir(), "written")
			db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true})
			require.NoError(t, err)
			defer db.Close()
			require.NoError(t, db.Update(createBuckets))
			for step := range 600 {
				require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
					b := tx.Bucket(historyBucket)
					for range rnd.IntN(20) {
						key := uint64(step)<<8 | rnd.Uint64N(8)
						if seed%2 == 1 {
							key = rnd.Uint64N(2000)
						}
						if err := b.Put(binary.BigEndian.AppendUint64(nil, key), make([]byte, rnd.IntN(200)<<rnd.IntN(6))); err != nil {
							return err
						}
					}
					for range rnd.IntN(20) {
						first, _ := b.Cursor().First()
						if seed%2 == 1 {
							first, _ = b.Cursor().Seek(binary.BigEndian.AppendUint64(nil, rnd.Uint64N(2000)))
						}
						if first == nil {
							break
						}
						if err := b.Delete(first); err != nil {
							return err
						}
					}
					return tx.Bucket(valuesBucket).Put([]byte(keyPending), make([]byte, rnd.IntN(500)))
				}))
				if step%5 != 0 {
					continue
				}
				file, err := os.Open(path)
				require.NoError(t, err)
				info, err := file.Stat()
				require.NoError(t, err)
				require.NoError(t, checkPages(file, info.Size()), "step %d", step)
				require.NoError(t, file.Close())
			}
		})
	}
}
