package gate

import (
	"bytes"
	"encoding/json"
	"strings"
)

// The bounds of what a scanner keeps of one message.
const (
	maxKey    = 40 // of six letters, each of them escaped
	maxID     = 1 << 10
	maxMethod = 256
	maxParams = 16 << 10
	maxHead   = 1 << 10 // of result and error
)

// message is what the gate reads of a JSON-RPC message: raw JSON values, each cut
// at its bound. A member that comes twice has the value of the last, as in gwat; of a
// method the last one that is a string.
type message struct {
	id, method, params, result, fault []byte
	idCut                             bool
}

// name returns the method, "" if there is none.
func (m *message) name() string {
	raw := bytes.TrimSpace(m.method)
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return ""
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		raw = raw[1 : len(raw)-1]
		if known, ok := interned[string(raw)]; ok {
			return known
		}
		return string(raw)
	}
	var name string
	_ = json.Unmarshal(raw, &name)
	return name
}

// subscribes reports whether the connection carries notifications after the call.
func (m *message) subscribes() bool { return strings.HasSuffix(m.name(), "_subscribe") }

// key returns the id as JSON, "" for a notification.
func (m *message) key() string { return string(bytes.TrimSpace(m.id)) }

// wholeID reads the id again if it was cut; raw is the whole message.
func (m *message) wholeID(raw []byte) {
	if !m.idCut {
		return
	}
	var whole struct{ ID json.RawMessage }
	_ = json.Unmarshal(raw, &whole)
	m.id, m.idCut = whole.ID, false
}

func (m *message) reset() {
	m.id, m.method, m.params = m.id[:0], m.method[:0], m.params[:0]
	m.result, m.fault, m.idCut = m.result[:0], m.fault[:0], false
}

// scanner finds the end of a JSON value in a stream and the members of its
// objects that matter: those of the value itself, or those of each element if
// the value is an array (a batch). It does not validate, and its memory is
// bounded whatever it reads.
type scanner struct {
	// element, if not nil, is called at the end of each element of a batch with
	// the offsets of its first byte and of the byte behind it.
	element func(m *message, from, to int64)

	msg     message
	pos     int64 // bytes read
	depth   int
	level   int // depth of the members: 1 for an object, 2 for a batch; 0 before the value
	done    bool
	foreign bool // the value is neither object nor array

	inString, escaped bool
	member            member
	part              part
}

// member is the member of an object that a scanner reads.
type member struct {
	wantKey bool // at level, the next string is its name
	inKey   bool
	key     []byte
	target  *[]byte // where its value is kept; nil for nowhere
	fresh   bool    // its value has not begun
	limit   int     // bytes of it that are kept
}

// part is the element of a batch that a scanner reads.
type part struct {
	begun bool
	count int   // elements that have begun
	from  int64 // offset of its first byte
}

// batch reports whether the value is an array.
func (s *scanner) batch() bool { return s.level == 2 }

// reset makes s ready for the next value.
func (s *scanner) reset() {
	s.msg.reset()
	*s = scanner{element: s.element, msg: s.msg, member: member{key: s.member.key[:0]}}
}

// scan reads p up to the end of the value and returns how many bytes that are;
// done reports whether the end was met.
func (s *scanner) scan(p []byte) int {
	i := 0
	for i < len(p) && !s.done && !s.foreign {
		if s.inString {
			i += s.text(p[i:])
			continue
		}
		s.byte(p[i], s.pos+int64(i))
		i++
	}
	s.pos += int64(i)
	return i
}

// text reads within a string and returns how many bytes it took.
func (s *scanner) text(p []byte) int {
	if s.escaped {
		s.escaped = false
		s.keep(p[:1])
		return 1
	}
	end := bytes.IndexByte(p, '"')
	part := p
	if end >= 0 {
		part = p[:end+1]
	}
	if slash := bytes.IndexByte(part, '\\'); slash >= 0 {
		s.escaped = true
		s.keep(p[:slash+1])
		return slash + 1
	}
	s.keep(part)
	if end >= 0 {
		s.inString = false
		s.member.inKey = false
	}
	return len(part)
}

// byte reads one byte outside of strings, at offset at.
func (s *scanner) byte(b byte, at int64) {
	if s.level == 0 {
		s.first(b)
		return
	}
	switch b {
	case '"':
		s.inString = true
		s.member.inKey = s.member.wantKey && s.depth == s.level
		if s.member.inKey {
			s.member.key, s.member.wantKey = s.member.key[:0], false
		}
		s.mark(at)
	case '{', '[':
		s.mark(at)
		s.depth++
		if s.depth == s.level && b == '{' {
			s.member.wantKey = true
			s.msg.reset()
			return
		}
	case '}', ']':
		if s.depth == s.level {
			s.member.target, s.member.wantKey = nil, false
		}
		s.depth--
		if s.depth < s.level {
			s.closed(at)
			return
		}
	case ',':
		switch {
		case s.depth == s.level:
			s.member.target, s.member.wantKey = nil, true
			return
		case s.depth == 1 && s.level == 2:
			s.ended(at)
			return
		}
	case ':':
		if s.depth == s.level && s.member.target == nil {
			s.choose()
			return
		}
	case ' ', '\t', '\r', '\n':
		if s.member.fresh {
			return
		}
	default:
		s.mark(at)
	}
	s.keepByte(b)
}

// first reads up to the beginning of the value.
func (s *scanner) first(b byte) {
	switch b {
	case ' ', '\t', '\r', '\n':
	case '{':
		s.depth, s.level, s.member.wantKey = 1, 1, true
	case '[':
		s.depth, s.level = 1, 2
	default:
		s.foreign = true
	}
}

// closed follows a bracket that ends the value or an element of the batch.
func (s *scanner) closed(at int64) {
	switch {
	case s.depth <= 0:
		if s.level == 2 {
			s.ended(at)
		}
		s.done = true
	case s.depth == 1 && s.level == 2:
		// The element ends at the next comma or bracket.
	}
}

// mark notes that an element of a batch has begun.
func (s *scanner) mark(at int64) {
	if s.level == 2 && s.depth == 1 && !s.part.begun {
		s.part.begun, s.part.from = true, at
		s.part.count++
		s.msg.reset()
	}
}

// ended reports an element of a batch.
func (s *scanner) ended(at int64) {
	if s.part.begun && s.element != nil {
		s.element(&s.msg, s.part.from, at)
	}
	s.part.begun = false
}

// choose picks where the value of the member just named is kept. Like gwat's
// decoder it ignores case.
func (s *scanner) choose() {
	s.member.target, s.member.fresh = nil, false
	name := bytes.TrimSuffix(s.member.key, []byte{'"'})
	if bytes.IndexByte(name, '\\') >= 0 {
		var plain string
		if json.Unmarshal([]byte(`"`+string(name)+`"`), &plain) == nil {
			name = []byte(plain)
		}
	}
	m := &s.msg
	for _, f := range [...]struct {
		name   string
		target *[]byte
		limit  int
	}{
		{"id", &m.id, maxID}, {"method", &m.method, maxMethod}, {"params", &m.params, maxParams},
		{"result", &m.result, maxHead}, {"error", &m.fault, maxHead},
	} {
		if bytes.EqualFold(name, []byte(f.name)) {
			s.member.target, s.member.limit, s.member.fresh = f.target, f.limit, true
			return
		}
	}
}

// keep keeps a part of a string if it belongs to a key or a member's value.
func (s *scanner) keep(p []byte) {
	if s.member.inKey {
		if room := maxKey - len(s.member.key); room > 0 {
			s.member.key = append(s.member.key, p[:min(room, len(p))]...)
		}
		return
	}
	if s.member.target == nil {
		return
	}
	room := s.member.limit - len(*s.member.target)
	if len(p) > room {
		if s.member.target == &s.msg.id {
			s.msg.idCut = true
		}
		p = p[:max(room, 0)]
	}
	*s.member.target = append(*s.member.target, p...)
}

func (s *scanner) keepByte(b byte) {
	if s.member.target == nil || s.member.inKey {
		return
	}
	if s.member.fresh && !s.starts(b) {
		return
	}
	if len(*s.member.target) < s.member.limit {
		*s.member.target = append(*s.member.target, b)
	} else if s.member.target == &s.msg.id {
		s.msg.idCut = true
	}
}

// starts begins a member's value with its first byte and reports whether it is kept: gwat's
// decoder leaves a method as it was where the value is no string.
func (s *scanner) starts(b byte) bool {
	s.member.fresh = false
	if s.member.target == &s.msg.method && b != '"' {
		s.member.target = nil
		return false
	}
	if s.member.target == &s.msg.id {
		s.msg.idCut = false
	}
	*s.member.target = (*s.member.target)[:0]
	return true
}

// empty reports whether the value is an array without elements.
func (s *scanner) empty() bool { return s.batch() && s.done && s.part.count == 0 }
