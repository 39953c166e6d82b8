package datasets

import (
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

// The file's key-value metadata.
const (
	metaVersion = "bench.schema_version"
	metaMeta    = "bench.meta"
	metaDevices = "bench.devices"
)

// compression is ZSTD at its fastest: a few per cent larger than its default,
// for half the time.
var compression = &zstd.Codec{Level: zstd.SpeedFastest}

// node is the column's Parquet type: an optional value, or an optional list of
// required elements in the three-level form of the Parquet specification.
func (f *field) node() parquet.Node {
	var n parquet.Node
	switch {
	case f.integer != nil:
		n = parquet.Leaf(parquet.Int64Type)
	case f.float != nil, f.floats != nil:
		n = parquet.Leaf(parquet.DoubleType)
	case f.flag != nil:
		n = parquet.Leaf(parquet.BooleanType)
	default:
		n = parquet.String()
	}
	if f.dict {
		n = parquet.Encoded(n, &parquet.RLEDictionary)
	}
	n = parquet.Compressed(n, compression)
	if f.floats != nil || f.texts != nil {
		n = parquet.List(n)
	}
	return parquet.Optional(n)
}

// maxLevel is the definition level of a value that is there: below it, a
// scalar or list is null (0), or a list is empty (1).
func (f *field) maxLevel() int {
	if f.floats != nil || f.texts != nil {
		return 2
	}
	return 1
}

// inOrder is a group whose columns keep their order; parquet.Group alone sorts
// them by name.
type inOrder struct {
	parquet.Group
	ordered []parquet.Field
}

func (g inOrder) Fields() []parquet.Field { return g.ordered }

// parquetSchema is the file's schema: fields, in order, all optional.
var parquetSchema = func() *parquet.Schema {
	g := parquet.Group{}
	for i := range fields {
		g[fields[i].name] = fields[i].node()
	}
	ordered := slices.Clone(g.Fields())
	slices.SortFunc(ordered, func(a, b parquet.Field) int { return fieldIndex[a.Name()] - fieldIndex[b.Name()] })
	return parquet.NewSchema("bench", inOrder{g, ordered})
}()
