package datasets

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// The JSON form of a row is an object of its columns, by the names of the
// Parquet form, without nulls. Numbers that JSON lacks are the texts "NaN",
// "+Inf" and "-Inf".

// appendColumns writes the object of those columns that keep accepts.
func appendColumns(b []byte, r *record, keep func(*field) bool) []byte {
	b = append(b, '{')
	for i := range fields {
		f := &fields[i]
		if !keep(f) || f.null(r) {
			continue
		}
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), f.name...), `":`...)
		switch {
		case f.integer != nil:
			b = strconv.AppendInt(b, *f.integer(r), 10)
		case f.float != nil:
			b = appendFloat(b, *f.float(r))
		case f.text != nil:
			b = appendText(b, *f.text(r))
		case f.flag != nil:
			b = strconv.AppendBool(b, *f.flag(r))
		case f.floats != nil:
			b = append(b, '[')
			for j, v := range *f.floats(r) {
				if j > 0 {
					b = append(b, ',')
				}
				b = appendFloat(b, v)
			}
			b = append(b, ']')
		default:
			b = append(b, '[')
			for j, v := range *f.texts(r) {
				if j > 0 {
					b = append(b, ',')
				}
				b = appendText(b, v)
			}
			b = append(b, ']')
		}
	}
	return append(b, '}')
}

func appendFloat(b []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		b = append(b, '"')
		return append(strconv.AppendFloat(b, v, 'g', -1, 64), '"')
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}

func appendText(b []byte, s string) []byte {
	quoted, _ := json.Marshal(s) // a string always can be
	return append(b, quoted...)
}

// anyFloat reads what appendFloat writes.
type anyFloat float64

func (v *anyFloat) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(string(bytes.Trim(b, `"`)), 64)
	*v = anyFloat(f)
	return err
}

// readColumns fills a record from an object that appendColumns wrote. Derived
// and unknown columns are passed over.
func readColumns(b []byte, r *record) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(b, &object); err != nil {
		return err
	}
	for name, raw := range object {
		at, known := fieldIndex[name]
		if !known || fields[at].derived {
			continue
		}
		f := &fields[at]
		var err error
		switch {
		case f.integer != nil:
			err = json.Unmarshal(raw, f.integer(r))
		case f.float != nil:
			err = json.Unmarshal(raw, (*anyFloat)(f.float(r)))
		case f.text != nil:
			err = json.Unmarshal(raw, f.text(r))
		case f.flag != nil:
			err = json.Unmarshal(raw, f.flag(r))
		case f.floats != nil:
			var list []anyFloat
			if err = json.Unmarshal(raw, &list); err == nil {
				for _, v := range list {
					*f.floats(r) = append(*f.floats(r), float64(v))
				}
			}
		default:
			err = json.Unmarshal(raw, f.texts(r))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if f.seen != nil {
			f.seen(r)
		}
	}
	return nil
}

// marshalRow is the JSON object of a row, its key first for the human reader.
func marshalRow(row *Row) ([]byte, error) {
	var r record
	if err := r.flatten(row, ""); err != nil {
		return nil, err
	}
	return appendColumns(nil, &r, func(f *field) bool { return !f.derived || f.name == "key" }), nil
}

// unmarshalRow reads what marshalRow wrote. The workload must be valid in form
// and have the key that was written.
func unmarshalRow(b []byte) (Row, error) {
	var row Row
	r := record{row: &row}
	if err := readColumns(b, &r); err != nil {
		return Row{}, err
	}
	if err := r.restore(); err != nil {
		return Row{}, err
	}
	var check struct{ Key string }
	if row.Workload == nil {
		return Row{}, errNoWorkload
	}
	if json.Unmarshal(b, &check) != nil || check.Key != row.Workload.Key() {
		return Row{}, fmt.Errorf("the key %q does not belong to the workload %q", check.Key, row.Workload.Key())
	}
	return row, nil
}

// isWorkload tells the columns that a workload is rebuilt from.
var isWorkload = func() func(*field) bool {
	names := map[string]bool{}
	for _, name := range WorkloadColumns() {
		names[name] = true
	}
	return func(f *field) bool { return names[f.name] }
}()

// MarshalWorkload writes the columns that a workload is rebuilt from, by the
// names of the Parquet form. A recorded routing is in them by its checksum only.
func MarshalWorkload(w Workload) ([]byte, error) {
	var r record
	if err := r.flatten(&Row{Workload: w}, ""); err != nil {
		return nil, err
	}
	return appendColumns(nil, &r, isWorkload), nil
}

// UnmarshalWorkload reads what MarshalWorkload writes.
func UnmarshalWorkload(b []byte) (Workload, error) {
	var row Row
	r := record{row: &row}
	if err := readColumns(b, &r); err != nil {
		return nil, err
	}
	if err := r.restore(); err != nil {
		return nil, err
	}
	if row.Workload == nil {
		return nil, errNoWorkload
	}
	return row.Workload, nil
}

// jsonCeiling is a Ceiling with its workload's columns.
type jsonCeiling struct {
	Key      string          `json:"key"`
	Seconds  float64         `json:"seconds"`
	Workload json.RawMessage `json:"workload,omitempty"`
}

// MarshalJSON writes the ceiling with its workload's columns, by the names of
// the Parquet form.
func (c Ceiling) MarshalJSON() ([]byte, error) {
	out := jsonCeiling{Key: c.Key, Seconds: c.Seconds}
	if c.Workload != nil {
		var err error
		if out.Workload, err = MarshalWorkload(c.Workload); err != nil {
			return nil, err
		}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (c *Ceiling) UnmarshalJSON(b []byte) error {
	var in jsonCeiling
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return err
	}
	*c = Ceiling{Key: in.Key, Seconds: in.Seconds}
	if len(in.Workload) == 0 {
		return nil
	}
	w, err := UnmarshalWorkload(in.Workload)
	if err != nil {
		return fmt.Errorf("ceilings: %w", err)
	}
	c.Workload = w
	return nil
}
