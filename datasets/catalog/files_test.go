package catalog

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"bench/datasets"
)

func TestModelAndClusterFiles(t *testing.T) {
	write := func(text string) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "it.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const good = `{"id":"m","layers":2,"hidden":8,"heads":2,"kv_heads":1,"head_dim":4,"ff_width":16,"experts":1,"top_k":1,"vocabulary":10,"context":8`
	m, err := ModelOrLoad(write(good + `}`))
	// 2 · (8·4·(2+2) + 2·4·8 + 2·8·16 + 2·8) + 8 + 2·80 = 1096, by hand.
	if err != nil || m.Parameters() != 2*(128+64+256+16)+8+160 {
		t.Errorf("%v, %v", m.Parameters(), err)
	}
	if m, err := ModelOrLoad("GPT-4"); err != nil || m.ID != "gpt-4" {
		t.Errorf("%v, %v", m.ID, err)
	}
	for text, want := range map[string]string{
		``:                                   "empty: a JSON object describing a model",
		`{"id": 3}`:                          "id is a JSON number, and must be a string",
		`{"lay": 3}`:                         `unknown field "lay"`,
		good + `} {}`:                        "something follows the model's JSON object",
		good + `,"latent":{"q_rank":4}}`:     "latent: kv_rank is 0",
		good + `,"dense_layers":3}`:          "dense_layers is 3, and cannot exceed layers, 2",
		good + `,"dense_layers":1}`:          "dense_ff_width is missing",
		good + `,"shared_experts":-1}`:       "shared_experts is -1",
		good + `,"vision":{"layers":1}}`:     "vision: width is 0",
		`{"id":"m","layers":99999999999999}`: "hidden is 0",
	} {
		if _, err := ModelOrLoad(write(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if _, err := ModelOrLoad("absent.json"); err == nil || !strings.Contains(err.Error(), "model file: open absent.json") {
		t.Errorf("absent: %v", err)
	}
	for text, want := range map[string]string{
		`{}`:                                     "device is missing",
		`{"device":"x"}`:                         "gpus is 0",
		`{"device":"x","gpus":1,"node_size":-1}`: "node_size is -1",
		`{"device":"x","gpus":8,"cluster_gpus":4}`: "give both, or neither",
		`{"device":"x","gpus":8}`:                  "",
	} {
		if _, err := LoadCluster(write(text)); want == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// Every field that a file may have is documented.
func TestFilesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/models-of-models.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{datasets.Model{}, datasets.Latent{}, datasets.Vision{}, datasets.Cluster{}} {
		for f := range reflect.TypeOf(v).Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !strings.Contains(string(doc), "`"+name+"`") {
				t.Errorf("docs/models-of-models.md does not say what %s of %T is", name, v)
			}
		}
	}
}
