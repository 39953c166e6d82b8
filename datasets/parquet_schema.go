package datasets

import (
	"slices"

	"github.com/parquet-go/parquet-go"
)

// The file's key-value metadata.
const (
	metaVersion = "bench.schema_version"
	metaMeta    = "bench.meta"
	metaDevices = "bench.devices"
)

func (f *field) list() bool { return f.floats != nil || f.texts != nil }

// levels are the highest repetition and definition level of the column: below the
// highest definition level a value is null (0), or a list is empty (1).
func (f *field) levels() (repetition, definition int) {
	if f.list() {
		return 1, 2
	}
	return 0, 1
}

// node is the column's part of the schema: an optional value, or an optional list of
// required elements in the three-level form of the Parquet specification
// (LogicalTypes.md, "Lists").
func (f *field) node() parquet.Node {
	var leaf parquet.Node
	switch {
	case f.integer != nil:
		leaf = parquet.Leaf(parquet.Int64Type)
	case f.float != nil, f.floats != nil:
		leaf = parquet.Leaf(parquet.DoubleType)
	case f.flag != nil:
		leaf = parquet.Leaf(parquet.BooleanType)
	default:
		leaf = parquet.String()
	}
	if f.dict {
		leaf = parquet.Encoded(leaf, &parquet.RLEDictionary)
	} else {
		leaf = parquet.Encoded(leaf, &parquet.Plain)
	}
	if f.list() {
		leaf = parquet.List(leaf)
	}
	return parquet.Optional(leaf)
}

// leaf finds the column's values in a file; nil where an older file lacks them.
func (f *field) leaf(file *parquet.File) (c *parquet.Column, err error) {
	defer recovered(&err) // types of groups have no kind
	c = file.Root().Column(f.name)
	if c == nil {
		c = file.Root().Column(renamed[f.name])
	}
	if c == nil {
		return nil, nil
	}
	for !c.Leaf() && len(c.Columns()) == 1 {
		c = c.Columns()[0]
	}
	repetition, definition := f.levels()
	want := f.node()
	for !want.Leaf() {
		want = want.Fields()[0]
	}
	if c.Type().Kind() != want.Type().Kind() || c.MaxRepetitionLevel() != repetition || c.MaxDefinitionLevel() != definition {
		return nil, corrupt("column %s is of another type", f.name)
	}
	return c, nil
}

// ordered is a group whose columns keep the order of the field table: parquet.Group
// sorts them by name.
type ordered struct{ parquet.Group }

func (o ordered) Fields() []parquet.Field {
	all := o.Group.Fields()
	slices.SortFunc(all, func(a, b parquet.Field) int { return fieldIndex[a.Name()] - fieldIndex[b.Name()] })
	return all
}

// schema is that of a file: fields in order, all optional.
var schema = func() *parquet.Schema {
	g := parquet.Group{}
	for i := range fields {
		g[fields[i].name] = fields[i].node()
	}
	return parquet.NewSchema("bench", ordered{g})
}()
