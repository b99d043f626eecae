package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
)

// bbolt trusts its pages: a loop among them makes it read for ever, a wrong count
// makes it ask for terabytes, and neither is an error that could be handled. So the
// whole file is walked here first, in bounded time and memory.

// The form of a bbolt file, version 2, in the machine's byte order.
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	headerSize  = 16 // of a page: id 8, flags 2, count 2, overflow 4
	elementSize = 16 // branch: pos 4, key size 4, page 8; leaf: flags 4, pos 4, key size 4, value size 4
	bucketSize  = 16 // root page 8, sequence 8; root 0: the page follows inline
	metaSize    = 64 // magic 4, version 4, page size 4, flags 4, root bucket 16, freelist 8, end 8, transaction 8, checksum 8

	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10
	bucketFlag   = 0x01
	longFreelist = 0xFFFF // the count stands in the first element

	minPageSize = 1 << 10
	maxPageSize = 1 << 24
	// Near the end of its range a counter would begin anew.
	maxCounter = 1 << 62
)

var native = binary.NativeEndian

// bucketTree is where a bucket begins.
type bucketTree struct{ root, sequence uint64 }

// boltMeta is a valid meta page.
type boltMeta struct {
	pageSize            uint64
	root                bucketTree
	freelist, end, txid uint64
}

// checkPages tells what in a bbolt file of a journal is not as bbolt writes it.
func checkPages(file io.ReaderAt, size int64) error {
	meta, err := newestMeta(file, size)
	if err != nil {
		return err
	}
	if meta.end > uint64(size)/meta.pageSize {
		return fmt.Errorf("%d bytes of %d pages are there", size, meta.end)
	}
	w := &pageWalk{file: file, meta: meta, used: map[uint64]bool{}}
	if err := w.freelist(); err != nil {
		return err
	}
	return w.bucket(meta.root, nil, true)
}

// newestMeta gives the newer one of two valid meta pages, as bbolt takes it.
func newestMeta(file io.ReaderAt, size int64) (*boltMeta, error) {
	newest := readMeta(file, 0)
	if newest != nil {
		if other := readMeta(file, int64(newest.pageSize)); other != nil && other.txid > newest.txid {
			newest = other
		}
	}
	// Without the first page the place of the second one has to be found.
	for at := int64(minPageSize); newest == nil && at <= maxPageSize && at < size; at *= 2 {
		if newest = readMeta(file, at); newest != nil && newest.pageSize != uint64(at) {
			return nil, fmt.Errorf("pages of %d bytes, the second one at %d", newest.pageSize, at)
		}
	}
	switch {
	case newest == nil:
		return nil, fmt.Errorf("no valid meta page")
	case newest.pageSize < minPageSize || newest.pageSize > maxPageSize || newest.pageSize&(newest.pageSize-1) != 0:
		return nil, fmt.Errorf("pages of %d bytes", newest.pageSize)
	case newest.txid > maxCounter:
		return nil, fmt.Errorf("transaction number %d", newest.txid)
	}
	return newest, nil
}

func readMeta(file io.ReaderAt, at int64) *boltMeta {
	buf := make([]byte, headerSize+metaSize)
	if _, err := file.ReadAt(buf, at); err != nil {
		return nil
	}
	m := buf[headerSize:]
	sum := fnv.New64a()
	_, _ = sum.Write(m[:metaSize-8]) // a hash takes everything
	if native.Uint32(m) != boltMagic || native.Uint32(m[4:]) != boltVersion || native.Uint64(m[56:]) != sum.Sum64() {
		return nil
	}
	return &boltMeta{
		pageSize: uint64(native.Uint32(m[8:])),
		root:     bucketTree{native.Uint64(m[16:]), native.Uint64(m[24:])},
		freelist: native.Uint64(m[32:]), end: native.Uint64(m[40:]), txid: native.Uint64(m[48:]),
	}
}

// boltPage is a page with all that overflows from it.
type boltPage struct {
	flags uint16
	count int
	data  []byte // header included
}

func parsePage(data []byte) (boltPage, error) {
	if len(data) < headerSize {
		return boltPage{}, fmt.Errorf("a page of %d bytes", len(data))
	}
	return boltPage{native.Uint16(data[8:]), int(native.Uint16(data[10:])), data}, nil
}

// element gives the i-th element, its key, and a leaf's value.
func (p boltPage) element(i int) (head, key, value []byte, err error) {
	at := headerSize + i*elementSize
	if at+elementSize > len(p.data) {
		return nil, nil, nil, fmt.Errorf("element %d of %d lies behind the page", i, p.count)
	}
	head = p.data[at : at+elementSize]
	pos, keySize, valueSize := uint64(native.Uint32(head)), uint64(native.Uint32(head[4:])), uint64(0)
	if p.flags == leafPage {
		pos, keySize, valueSize = uint64(native.Uint32(head[4:])), uint64(native.Uint32(head[8:])), uint64(native.Uint32(head[12:]))
	}
	from := uint64(at) + pos
	end := from + keySize + valueSize
	if keySize == 0 || end > uint64(len(p.data)) {
		return nil, nil, nil, fmt.Errorf("the key of element %d has %d bytes and ends at %d of %d", i, keySize, end, len(p.data))
	}
	return head, p.data[from : from+keySize], p.data[from+keySize : end], nil
}

// pageWalk visits each page once.
type pageWalk struct {
	file io.ReaderAt
	meta *boltMeta
	used map[uint64]bool
	free map[uint64]bool
}

// page reads a page and marks it, and what overflows from it, as used.
func (w *pageWalk) page(id uint64) (boltPage, error) {
	if id < 2 || id >= w.meta.end {
		return boltPage{}, fmt.Errorf("page %d of %d", id, w.meta.end)
	}
	header := make([]byte, headerSize)
	if _, err := w.file.ReadAt(header, int64(id*w.meta.pageSize)); err != nil {
		return boltPage{}, fmt.Errorf("page %d: %w", id, err)
	}
	pages := uint64(native.Uint32(header[12:])) + 1
	if own := native.Uint64(header); own != id || pages > w.meta.end-id {
		return boltPage{}, fmt.Errorf("page %d calls itself %d and has %d pages", id, own, pages)
	}
	for n := id; n < id+pages; n++ {
		if w.used[n] || w.free[n] {
			return boltPage{}, fmt.Errorf("page %d is used twice", n)
		}
		w.used[n] = true
	}
	data := make([]byte, pages*w.meta.pageSize)
	if _, err := w.file.ReadAt(data, int64(id*w.meta.pageSize)); err != nil {
		return boltPage{}, fmt.Errorf("page %d: %w", id, err)
	}
	return parsePage(data)
}

// freelist reads the pages that bbolt will write to.
func (w *pageWalk) freelist() error {
	p, err := w.page(w.meta.freelist)
	if err != nil {
		return fmt.Errorf("freelist: %w", err)
	}
	ids := p.data[headerSize:]
	count := uint64(p.count)
	if p.count == longFreelist {
		count, ids = native.Uint64(ids), ids[8:]
	}
	if p.flags != freelistPage || count > uint64(len(ids)/8) {
		return fmt.Errorf("freelist of type %#x with %d pages", p.flags, count)
	}
	w.free = make(map[uint64]bool, count)
	for ; count > 0; count-- {
		id := native.Uint64(ids)
		if ids = ids[8:]; id < 2 || id >= w.meta.end || w.free[id] || w.used[id] {
			return fmt.Errorf("page %d cannot be free", id)
		}
		w.free[id] = true
	}
	return nil
}

// bucket walks a bucket; inline is what follows its header. The root bucket
// holds the journal's buckets, and those hold no further ones.
func (w *pageWalk) bucket(b bucketTree, inline []byte, root bool) error {
	if b.sequence > maxCounter {
		return fmt.Errorf("sequence %d", b.sequence)
	}
	if b.root != 0 || root {
		return w.tree(b.root, nil, nil, root, true)
	}
	p, err := parsePage(inline)
	if err != nil {
		return err
	}
	if p.flags != leafPage {
		return fmt.Errorf("inline page of type %#x", p.flags)
	}
	return w.leaf(p, nil, nil, root)
}

// tree walks a page and what is below it; its first key is low, as its parent
// says (bbolt finds it there by that), and all are less than high; nil is no bound.
func (w *pageWalk) tree(id uint64, low, high []byte, root, top bool) error {
	p, err := w.page(id)
	if err != nil {
		return err
	}
	switch {
	case p.flags == leafPage && (p.count > 0 || top):
		err = w.leaf(p, low, high, root)
	case p.flags == branchPage && p.count > 0:
		err = w.branch(p, low, high, root)
	default:
		err = fmt.Errorf("type %#x with %d elements", p.flags, p.count)
	}
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

func (w *pageWalk) branch(p boltPage, low, high []byte, root bool) error {
	for i := range p.count {
		head, key, _, err := p.element(i)
		if err != nil {
			return err
		}
		next := high
		if i+1 < p.count {
			if _, next, _, err = p.element(i + 1); err != nil {
				return err
			}
		}
		if !between(key, low, next) || i == 0 && low != nil && !bytes.Equal(key, low) {
			return fmt.Errorf("key %d is out of order", i)
		}
		if err := w.tree(native.Uint64(head[8:]), key, next, root, false); err != nil {
			return err
		}
	}
	return nil
}

func (w *pageWalk) leaf(p boltPage, low, high []byte, root bool) error {
	for i := range p.count {
		head, key, value, err := p.element(i)
		if err != nil {
			return err
		}
		if !between(key, low, high) || low != nil && bytes.Equal(key, low) != (i == 0) {
			return fmt.Errorf("key %d is out of order", i)
		}
		low = key
		isBucket := native.Uint32(head) == bucketFlag
		if isBucket != root || !isBucket && native.Uint32(head) != 0 {
			return fmt.Errorf("element %d has the type %#x", i, native.Uint32(head))
		}
		if !isBucket {
			continue
		}
		if len(value) < bucketSize {
			return fmt.Errorf("a bucket of %d bytes", len(value))
		}
		if err := w.bucket(bucketTree{native.Uint64(value), native.Uint64(value[8:])}, value[bucketSize:], false); err != nil {
			return fmt.Errorf("bucket %q: %w", key[:min(len(key), 32)], err)
		}
	}
	return nil
}

// between tells low <= key < high.
func between(key, low, high []byte) bool {
	return bytes.Compare(key, low) >= 0 && (high == nil || bytes.Compare(key, high) < 0)
}
