package datasets

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Journal keeps each finished case on disk before the next begins, so that a
// run that is killed loses at most the case in flight.
//
// Its file is text, one record a line: the CRC-32C of the rest of the line in
// eight hexadecimal digits, a space, and a JSON object. The first line's
// object is the header (JournalHeader); each further one is a row, by the
// column names of the Parquet form. A line that is cut off at the end of the
// file was being written when the machine stopped, and is dropped; a wrong
// line anywhere else is corruption, and is refused.
type Journal struct {
	path     string
	file     *os.File
	err      error
	restored int
	// torn is where the last whole line ends, and -1 where nothing follows it: a
	// torn line is cut off by the next record, so that a journal that is refused
	// stays as it is.
	torn int64
}

// JournalHeader says which run a journal is of.
type JournalHeader struct {
	SchemaVersion int      `json:"journal_schema_version"`
	Meta          Meta     `json:"meta"`
	Devices       []Device `json:"devices"`
	// PlanHash identifies the plan, so that only the same plan is resumed.
	PlanHash string `json:"plan_hash"`
}

// maxJournalLine bounds one record: a row with a million samples.
const maxJournalLine = 32 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CreateJournal begins a journal. The file must not exist yet: a journal that
// is there may be somebody's only copy.
func CreateJournal(path string, header JournalHeader) (*Journal, error) {
	header.SchemaVersion = SchemaVersion
	b, err := json.Marshal(header)
	if err != nil {
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		if errors.Is(err, os.ErrExist) {
			return nil, fmt.Errorf("journal %s exists already: resume it, or move it away", path)
		}
		return nil, fmt.Errorf("journal: %w", err)
	}
	j := &Journal{path: path, file: f, torn: -1}
	err = lock(f)
	if err == nil {
		err = j.line(b)
	}
	if err != nil {
		f.Close()
		os.Remove(path)
		return nil, err
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		f.Close()
		os.Remove(path)
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	return j, nil
}

// OpenJournal reads a journal and opens it to append to it. A torn last line
// is cut off by the first record, which torn reports.
func OpenJournal(path string) (j *Journal, header JournalHeader, rows []Row, torn bool, err error) {
	f, err := openRegular(path, os.O_RDWR|os.O_APPEND)
	if err != nil {
		return nil, header, nil, false, fmt.Errorf("journal: %w", err)
	}
	var good int64
	err = lock(f)
	if err == nil {
		header, rows, good, torn, err = readJournal(f)
	}
	if err != nil {
		f.Close()
		return nil, JournalHeader{}, nil, false, fmt.Errorf("journal %s: %w", path, err)
	}
	j = &Journal{path: path, file: f, torn: -1}
	if torn {
		j.torn = good
	}
	return j, header, rows, torn, nil
}

// lockTries is how often the lock is asked for, lockPause apart. A child that a run
// was just starting holds the run's files from fork to exec, and so for some
// milliseconds after a run that is killed at that moment; on a busy machine for more.
const (
	lockTries = 40
	lockPause = 50 * time.Millisecond
)

// lock makes this process the journal's only writer until the file is closed, in
// whatever way: the kernel lets go of it. A file system that knows no locks gives
// none, and no error.
func lock(f *os.File) error {
	for range lockTries {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
			return nil
		}
		time.Sleep(lockPause)
	}
	return errors.New("another run is writing it now: wait until that has ended, or stop it")
}

// ReadJournal reads a journal and leaves it as it is. torn reports that a last
// line was cut off and is missing from rows.
func ReadJournal(path string) (header JournalHeader, rows []Row, torn bool, err error) {
	f, err := openRegular(path, os.O_RDONLY)
	if err != nil {
		return header, nil, false, fmt.Errorf("journal: %w", err)
	}
	defer f.Close()
	header, rows, _, torn, err = readJournal(f)
	if err != nil {
		return JournalHeader{}, nil, false, fmt.Errorf("journal %s: %w", path, err)
	}
	return header, rows, torn, nil
}

// Append writes one row and waits until the disk has it. Where the journal's file
// or folder was removed meanwhile, it is written again, whole. After a failure
// the journal takes no more: what follows a torn line could not be read.
func (j *Journal) Append(row Row) error {
	if j.err != nil {
		return j.err
	}
	b, err := marshalRow(&row)
	if err != nil {
		return fmt.Errorf("journal %s: %w", j.path, err)
	}
	if err := j.line(b); err != nil {
		return err
	}
	if err := j.restore(); err != nil {
		j.err = fmt.Errorf("journal %s: %w", j.path, err)
	}
	return j.err
}

func (j *Journal) line(object []byte) error {
	if len(object) > maxJournalLine-16 {
		return fmt.Errorf("journal %s: a record of %d bytes is too long", j.path, len(object))
	}
	b := fmt.Appendf(make([]byte, 0, len(object)+10), "%08x ", crc32.Checksum(object, castagnoli))
	b = append(append(b, object...), '\n')
	var err error
	if j.torn >= 0 {
		err, j.torn = errors.Join(j.file.Truncate(j.torn), j.file.Sync()), -1
	}
	// One write, so that a crash leaves a torn line at most.
	if err == nil {
		_, err = j.file.Write(b)
	}
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		j.err = fmt.Errorf("journal %s: a record could not be written: %w", j.path, err)
	}
	return j.err
}

// Path is where the journal lies.
func (j *Journal) Path() string { return j.path }

// Close closes the file, which holds every appended row already.
func (j *Journal) Close() error {
	if j.err == nil {
		j.err = fmt.Errorf("journal %s is closed", j.path)
	}
	return j.file.Close()
}

// readJournal reads all lines; good is the length of the file up to the end of
// the last whole one.
func readJournal(r io.Reader) (header JournalHeader, rows []Row, good int64, torn bool, err error) {
	lines := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := boundedLine(lines)
		if errors.Is(err, io.EOF) {
			// Without its newline a line was never finished, even where all
			// else of it is there.
			torn = len(line) > 0
			if n == 1 {
				return header, nil, 0, torn, errors.New("there is no whole first line, so nothing can be resumed: start a new run")
			}
			return header, rows, good, torn, nil
		}
		if err != nil {
			return header, nil, 0, false, fmt.Errorf("line %d: %w", n, err)
		}
		object, err := checkLine(line)
		if err == nil && n == 1 {
			err = readHeader(object, &header)
		} else if err == nil {
			var row Row
			if row, err = unmarshalRow(object); err == nil {
				rows = append(rows, row)
			}
		}
		if err != nil {
			// A crash can leave the last line's blocks unwritten though its
			// length is there; then nothing follows it.
			if _, next := lines.Peek(1); n > 1 && next == io.EOF && errors.Is(err, errChecksum) {
				return header, rows, good, true, nil
			}
			return header, nil, 0, false, fmt.Errorf("line %d: %w", n, err)
		}
		good += int64(len(line))
	}
}

// runID is what names of runs look like; none leads out of a folder.
var runID = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._-]{0,127}$`)

var errChecksum = errors.New("the record does not match its checksum")

// checkLine returns the object of a line that ends in a newline.
func checkLine(line []byte) ([]byte, error) {
	sum, object, ok := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if !ok || err != nil || len(sum) != 8 || uint32(want) != crc32.Checksum(object, castagnoli) {
		return nil, errChecksum
	}
	return object, nil
}

func readHeader(object []byte, h *JournalHeader) error {
	if err := json.Unmarshal(object, h); err != nil {
		return fmt.Errorf("no journal header: %w", err)
	}
	switch {
	case h.SchemaVersion < 1:
		return errors.New("this is no journal of bench")
	case h.SchemaVersion > SchemaVersion:
		return fmt.Errorf("the journal has schema version %d, and this bench reads up to %d: use a newer bench", h.SchemaVersion, SchemaVersion)
	case !runID.MatchString(h.Meta.ID):
		// The results get it as their name.
		return fmt.Errorf("the run's name %.40q is none that bench gives", h.Meta.ID)
	}
	return nil
}

// boundedLine reads up to and with the next newline.
func boundedLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
		if len(line) > maxJournalLine {
			return nil, fmt.Errorf("longer than any record, %d bytes", maxJournalLine)
		}
	}
}
