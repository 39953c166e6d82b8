package reports

import (
	"iter"
	"slices"

	"bench/datasets"
	"bench/predict"
)

// Part is some rows of one file, joined with their predictions.
type Part struct {
	File *datasets.File
	Rows []Joined

	rows []datasets.Row
}

// Predicted is the part's rows with the part's predictions in place of those
// that were kept in the file.
func (p *Part) Predicted() []datasets.Row {
	for i := range p.rows {
		p.rows[i].Predictions = p.Rows[i].Predictions
	}
	return p.rows
}

// Stream reads the files that paths name and joins every row with its
// predictions, as Predict does, in bounded memory: a part is a row group. Of
// the file that a part comes from only what a device's ceilings need is held.
// The scanner's Columns must be none, for all, or include JoinColumns.
func Stream(s *datasets.Scanner, paths []string, tiers []datasets.Tier, devices Devices) iter.Seq2[Part, error] {
	return func(yield func(Part, error) bool) {
		override := ""
		if devices.Override != nil {
			b := binding{devices: &devices}
			for f, err := range (&datasets.Scanner{Broken: s.Broken}).Files(paths) {
				var head *datasets.Run
				if err == nil {
					head, err = headOf(f)
				}
				if err != nil {
					yield(Part{}, err)
					return
				}
				b.add(head)
			}
			var err error
			if override, err = b.id(); err != nil {
				yield(Part{}, err)
				return
			}
		}
		memos := map[string]*memo{}
		var file *datasets.File
		var head *datasets.Run
		var contexts map[string]*context
		for batch, err := range s.Rows(paths) {
			if err == nil && batch.File != file {
				file, contexts = batch.File, map[string]*context{}
				if int(file.NumRows) == len(batch.Rows) {
					head = &datasets.Run{Meta: file.Meta, Devices: file.Devices, Rows: batch.Rows}
				} else {
					head, err = headOf(file)
				}
			}
			if err != nil {
				yield(Part{}, err)
				return
			}
			joined := make([]Joined, len(batch.Rows))
			predictions := make([]datasets.Prediction, len(batch.Rows)*len(tiers))
			for i := range batch.Rows {
				if id := batch.Rows[i].DeviceID; contexts[id] == nil {
					c := devices.context(head, id, override, tiers)
					if devices.shared(id, override) {
						if memos[id] == nil {
							memos[id] = new(memo)
						}
						c.memo = memos[id]
					}
					contexts[id] = c
				}
			}
			overChunks(len(joined), func(i int) {
				row := &batch.Rows[i]
				joined[i] = Joined{Row: row, Predictions: predictions[i*len(tiers) : (i+1)*len(tiers) : (i+1)*len(tiers)]}
				joined[i].predict(contexts[row.DeviceID], tiers)
			})
			if !yield(Part{file, joined, batch.Rows}, nil) {
				return
			}
		}
	}
}

// shared reports whether a device is the same in every run, but for its
// ceilings: the one given, or the catalogue's.
func (d *Devices) shared(id, override string) bool {
	if d.Override != nil && id == override {
		return true
	}
	if d.Lookup == nil {
		return false
	}
	_, ok := d.Lookup(id)
	return ok
}

// JoinColumns are the columns that joining and counting a row needs.
func JoinColumns() []string {
	return append(datasets.WorkloadColumns(), "device_id", "device_uuid", "source", "verdict", "reason", "flags", "time_median_s", "import_tool", "stack", "stack_version")
}

// headOf is a file's run with those rows alone that decide what is known of its
// devices: one of each device and source, and what may be a ceiling.
func headOf(f *datasets.File) (*datasets.Run, error) {
	head := &datasets.Run{Meta: f.Meta, Devices: f.Devices}
	type id struct {
		device string
		source datasets.Source
	}
	seen := map[id]bool{}
	imported := true
	s := datasets.Scanner{Columns: []string{"device_id", "source"}}
	for batch, err := range s.Rows([]string{f.Path}) {
		if err != nil {
			return nil, err
		}
		for i := range batch.Rows {
			k := id{batch.Rows[i].DeviceID, batch.Rows[i].Measurement.Source}
			if !seen[k] {
				seen[k] = true
				imported = imported && k.source == datasets.SourceImported
				head.Rows = append(head.Rows, batch.Rows[i])
			}
		}
	}
	if imported {
		return head, nil // no imported row is a ceiling, and large files are mostly imported
	}
	s.Columns = append(datasets.WorkloadColumns(), "device_id", "source", "verdict", "time_median_s")
	for batch, err := range s.Rows([]string{f.Path}) {
		if err != nil {
			return nil, err
		}
		for i := range batch.Rows {
			if r := &batch.Rows[i]; predict.IsCeiling(r) {
				head.Rows = append(head.Rows, *r)
			}
		}
	}
	head.Rows = slices.Clip(head.Rows)
	return head, nil
}
