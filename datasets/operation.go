package datasets

import (
	"cmp"
	"encoding/gob"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unsafe"
)

// A workload type is declared once: its struct's fields carry tags, and its
// line in operations names the suites that it belongs to.
//
//	M int64 `col:"m" help:"rows of A: tokens"`
//
// col is the field's column in Parquet, JSON and CSV, and makes it part of the
// workload's key. The further tags are
//
//	key      its word in the key, where that is not the column's name
//	help     gives `bench predict SUITE` a flag; of the operations that share one, the first's is shown
//	flag     the flag's name, where it is not the key's word with dashes
//	default  the flag's default
//	zero     "value" where 0 is a value and not a null, as it is for a bool
//	fixed    on a blank field, struct{}: the column holds this in every row
//
// The columns op, dtype and ranks belong to every operation. A nested struct's
// fields count as the workload's own; a field without col is not part of a row.

// Operation is what the tags of a workload type say.
type Operation struct {
	Suites []Suite
	Fields []Field
	typ    reflect.Type
	// only is the operation of a type that has no other, else "".
	only string
	// restore makes a workload of the cells of a row.
	restore func(*cells) Workload
	// declares says which of the workload's columns this operation has.
	declares []bool
}

// Field is a field of a workload type.
type Field struct {
	// Column is its name in Parquet, JSON and CSV, and Key that in the key.
	Column, Key string
	// Flag is the flag of bench predict, "" where there is none.
	Flag, Help, Default string
	// Fixed is what a column without a Go field holds in every row.
	Fixed string
	// Kind is its Go kind: String, Bool, Int, Int64, Uint64 or Float64.
	Kind reflect.Kind

	index       []int   // reflect's path to the field
	offset      uintptr // from the beginning of the workload
	zeroIsValue bool
	column      *workloadColumn
}

// workloadColumn is a column of the workload's part of a row: which cell of its kind
// holds it.
type workloadColumn struct {
	name, key string
	kind      reflect.Kind // Int64, Float64, String or Bool
	at        int          // in the cells of its kind
	number    int          // among all columns
}

// cells are the workload's part of a flat row, each kind by itself. A zero is a
// null but where the operation says otherwise.
type cells struct {
	operation *Operation
	integers  [40]int64
	texts     [24]string
	reals     [4]float64
	flags     [8]bool
}

// workloadColumns are the columns of all operations, op, dtype and ranks first.
var workloadColumns = layOut(operations)

// layOut gives each column its cell. Operations may share a column of one kind.
func layOut(operations []*Operation) []*workloadColumn {
	var all []*workloadColumn
	byName := map[string]*workloadColumn{}
	count := map[reflect.Kind]int{}
	add := func(f *Field) *workloadColumn {
		kind := f.cellKind()
		c := byName[f.Column]
		if c == nil {
			c = &workloadColumn{name: f.Column, key: f.Key, kind: kind, at: count[kind], number: len(all)}
			count[kind]++
			byName[f.Column], all = c, append(all, c)
		}
		if c.kind != kind {
			panic(fmt.Sprintf("column %s is %s and %s", f.Column, c.kind, kind))
		}
		return c
	}
	for _, head := range []Field{{Column: "op", Kind: reflect.String}, {Column: "dtype", Kind: reflect.String}, {Column: "ranks", Kind: reflect.Int}} {
		add(&head)
	}
	for _, o := range operations {
		for i := range o.Fields {
			o.Fields[i].column = add(&o.Fields[i])
		}
	}
	var c cells
	for kind, room := range map[reflect.Kind]int{reflect.Int64: len(c.integers), reflect.String: len(c.texts), reflect.Float64: len(c.reals), reflect.Bool: len(c.flags)} {
		if count[kind] > room {
			panic(fmt.Sprintf("the operations have %d columns of kind %s, and cells has room for %d: make its array longer", count[kind], kind, room))
		}
	}
	for _, o := range operations {
		o.declares = make([]bool, len(all))
		for _, f := range o.Fields {
			o.declares[f.column.number] = f.Kind == reflect.Bool || f.zeroIsValue
		}
	}
	return all
}

// declare reads the tags of a workload type, and makes it one that gob knows: the
// process that measures is sent workloads.
func declare[T Workload](suites ...Suite) *Operation {
	o := &Operation{Suites: suites, typ: reflect.TypeFor[T]()}
	o.addFields(o.typ, nil, 0)
	gob.Register(*new(T))
	// The key begins with op and dtype.
	place := func(f Field) int { return slices.Index([]string{"dtype", "op"}, f.Column) }
	slices.SortStableFunc(o.Fields, func(a, b Field) int { return cmp.Compare(place(b), place(a)) })
	o.only = o.Fields[0].Fixed
	o.restore = func(c *cells) Workload {
		var w T
		o.read(unsafe.Pointer(&w), c)
		return w
	}
	return o
}

// under is the same type as another fixed operation.
func (o *Operation) under(op string) *Operation {
	twin := *o
	twin.Fields = slices.Clone(o.Fields)
	twin.only, twin.Fields[0].Fixed = op, op
	return &twin
}

func (o *Operation) addFields(t reflect.Type, index []int, offset uintptr) {
	for i := range t.NumField() {
		f := t.Field(i)
		path := append(slices.Clone(index), i)
		name, fixed := f.Tag.Get("col"), f.Tag.Get("fixed")
		if f.Type.Kind() == reflect.Struct && fixed == "" {
			o.addFields(f.Type, path, offset+f.Offset)
			continue
		}
		if name == "" {
			continue
		}
		d := Field{Column: name, Key: name, Help: f.Tag.Get("help"), Default: f.Tag.Get("default"), Fixed: fixed,
			Kind: f.Type.Kind(), index: path, offset: offset + f.Offset, zeroIsValue: f.Tag.Get("zero") == "value"}
		if fixed != "" {
			d.Kind = reflect.String
			if _, err := strconv.Atoi(fixed); err == nil {
				d.Kind = reflect.Int64
			}
		}
		if key, ok := f.Tag.Lookup("key"); ok {
			d.Key = key
		}
		if d.Help != "" {
			d.Flag = strings.ReplaceAll(d.Key, "_", "-")
			if flag, ok := f.Tag.Lookup("flag"); ok {
				d.Flag = flag
			}
		}
		o.Fields = append(o.Fields, d)
	}
}

// cellKind is the kind of the field's cell.
func (f *Field) cellKind() reflect.Kind {
	switch f.Kind {
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return reflect.Int64
	case reflect.String, reflect.Bool, reflect.Float64:
		return f.Kind
	}
	panic(fmt.Sprintf("column %s: a workload's field cannot be a %s", f.Column, f.Kind))
}

// The accessors read and write a field of the workload at w, by its offset:
// reflect would take several times as long, and put each workload on the heap.

func (f *Field) integer(w unsafe.Pointer) int64 {
	if f.Kind == reflect.Int {
		return int64(*(*int)(unsafe.Add(w, f.offset)))
	}
	return *(*int64)(unsafe.Add(w, f.offset)) // a uint64 has the same bits
}

func (f *Field) text(w unsafe.Pointer) *string  { return (*string)(unsafe.Add(w, f.offset)) }
func (f *Field) flag(w unsafe.Pointer) *bool    { return (*bool)(unsafe.Add(w, f.offset)) }
func (f *Field) real(w unsafe.Pointer) *float64 { return (*float64)(unsafe.Add(w, f.offset)) }

// read fills the workload at w from cells.
func (o *Operation) read(w unsafe.Pointer, c *cells) {
	for i := range o.Fields {
		f := &o.Fields[i]
		if f.Fixed != "" {
			continue
		}
		switch at := f.column.at; f.Kind {
		case reflect.String:
			*f.text(w) = c.texts[at]
		case reflect.Bool:
			*f.flag(w) = c.flags[at]
		case reflect.Float64:
			*f.real(w) = c.reals[at]
		case reflect.Int:
			*(*int)(unsafe.Add(w, f.offset)) = int(c.integers[at])
		default:
			*(*int64)(unsafe.Add(w, f.offset)) = c.integers[at]
		}
	}
}

// write fills cells from the workload at w.
func (o *Operation) write(w unsafe.Pointer, c *cells) {
	c.operation = o
	for i := range o.Fields {
		f := &o.Fields[i]
		switch at := f.column.at; f.column.kind {
		case reflect.String:
			c.texts[at] = f.Fixed
			if f.Fixed == "" {
				c.texts[at] = *f.text(w)
			}
		case reflect.Bool:
			c.flags[at] = *f.flag(w)
		case reflect.Float64:
			c.reals[at] = *f.real(w)
		default:
			if f.Fixed != "" {
				c.integers[at], _ = strconv.ParseInt(f.Fixed, 10, 64)
			} else {
				c.integers[at] = f.integer(w)
			}
		}
	}
}

// key writes "suite/op dtype name=value …" of the workload at w, leaving out
// zero values.
func (o *Operation) key(suite Suite, w unsafe.Pointer) string {
	k := make([]byte, 0, 160) // long enough for most
	k = append(append(k, suite...), '/')
	op, dtype := o.only, *o.Fields[1].text(w)
	if op == "" {
		op = *o.Fields[0].text(w)
	}
	k = append(k, op...)
	word := func(name string) {
		k = append(append(k, ' '), name...)
	}
	if dtype != "" {
		word(dtype)
	}
	for i := range o.Fields[2:] {
		f := &o.Fields[2+i]
		if f.Fixed != "" {
			continue
		}
		switch f.Kind {
		case reflect.String:
			v := *f.text(w)
			if v == "" {
				continue
			}
			// Free text must not be able to look like further fields.
			if strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r == '=' || r == '"' }) {
				v = strconv.Quote(v)
			}
			word(f.Key)
			k = append(append(k, '='), v...)
		case reflect.Bool:
			if *f.flag(w) {
				word(f.Key)
			}
		case reflect.Float64:
			if v := *f.real(w); v != 0 {
				word(f.Key)
				k = strconv.AppendFloat(append(k, '='), v, 'g', -1, 64)
			}
		default:
			if v := f.integer(w); v != 0 {
				word(f.Key)
				k = strconv.AppendInt(append(k, '='), v, 10)
			}
		}
	}
	return string(k)
}

// workload rebuilds the value that wrote these cells.
func (c *cells) workload(suite Suite) (Workload, error) {
	op := c.texts[0]
	for _, o := range operations {
		if slices.Contains(o.Suites, suite) && (o.only == "" || o.only == op) {
			return o.restore(c), nil
		}
	}
	return nil, fmt.Errorf("no workload of suite %q has operation %q", suite, op)
}

// Flags calls define for each field of the workload at w that `bench predict` has
// a flag for, with a pointer to it: *string, *bool, *int, *int64, *uint64 or
// *float64.
func Flags[W Workload](w *W, define func(f Field, to any)) {
	for _, o := range operations {
		if o.typ != reflect.TypeFor[W]() {
			continue
		}
		for _, f := range o.Fields {
			if f.Flag == "" {
				continue
			}
			to := reflect.ValueOf(w).Elem().FieldByIndex(f.index).Addr()
			if f.Kind == reflect.String { // of any named type
				to = to.Convert(reflect.TypeFor[*string]())
			}
			define(f, to.Interface())
		}
	}
}
