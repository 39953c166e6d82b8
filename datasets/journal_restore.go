package datasets

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Restored is how often the journal had to be written again, since its file or
// its folder had been removed or moved under the run.
func (j *Journal) Restored() int { return j.restored }

// restore writes the journal again where its name is gone. The open file holds
// every record still, and would end with the process.
func (j *Journal) restore() error {
	open, err := j.file.Stat()
	if err != nil {
		return err
	}
	here, err := os.Stat(j.path)
	switch {
	case err == nil && os.SameFile(here, open):
		return nil
	case err == nil:
		return errors.New("another file has taken its place: move that away")
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	if err := MakeFolder(filepath.Dir(j.path)); err != nil {
		return fmt.Errorf("it is gone, and its folder cannot be made again: %w", err)
	}
	f, err := os.OpenFile(j.path, os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("it is gone, and cannot be made again: %w", err)
	}
	err = lock(f)
	if err == nil {
		_, err = io.Copy(f, io.NewSectionReader(j.file, 0, open.Size()))
	}
	if err = errors.Join(err, f.Sync(), syncFolder(filepath.Dir(j.path))); err != nil {
		f.Close()
		return fmt.Errorf("it is gone, and cannot be written again: %w", err)
	}
	j.file.Close()
	j.file = f
	j.restored++
	return nil
}
