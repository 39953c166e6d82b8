package datasets

import (
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Unfinished says of each journal that lies in a folder which run it keeps, how many
// cases, and how to go on; a journal that a run is writing now says so. The results
// of a finished run are in its Parquet file, and its journal is gone.
func Unfinished(folder string) (sentences []string) {
	journals, _ := filepath.Glob(filepath.Join(folder, "*.journal")) // the pattern is sound
	for _, path := range journals {
		f, err := openRegular(path, unix.O_RDONLY)
		if err != nil {
			continue // finished since
		}
		header, rows, _, _, err := readJournal(f)
		running := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == unix.EWOULDBLOCK
		f.Close()
		cases := map[string]bool{}
		for i := range rows {
			cases[rows[i].Workload.Key()] = true
		}
		began := time.Unix(header.Meta.StartUnixS, 0).UTC().Format("2006-01-02 15:04 UTC")
		switch {
		case err != nil:
			sentences = append(sentences, fmt.Sprintf("%s cannot be read: %v", path, err))
		case running:
			sentences = append(sentences, fmt.Sprintf("%s: a run on %s is going on since %s: %d cases so far", path, header.Meta.Host, began, len(cases)))
		default:
			sentences = append(sentences, fmt.Sprintf("%s: a run on %s was stopped, begun at %s: %d cases are kept; go on with: bench run --resume %s",
				path, header.Meta.Host, began, len(cases), path))
		}
	}
	return sentences
}
