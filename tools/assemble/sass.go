package main

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

type kernel struct {
	name                               string
	registers, spills, shared, threads int
	loop                               loop
	serialized                         bool
	// cpuS is the file's CPU seconds of ptxas shared evenly among its entries: ptxas
	// does not say what one takes.
	cpuS float64
}

// perSM is the threads of an SM that registers and static shared memory leave
// room for (CUDA C++ Programming Guide, "Technical Specifications per Compute
// Capability": 65,536 registers, 64 warps and 32 blocks an SM, registers given by
// 256 a warp; 164 and 228 KiB of shared memory, of which each block costs 1 KiB).
func (k kernel) perSM(arch string) int {
	shared := 164 << 10
	if arch == "sm_90a" {
		shared = 228 << 10
	}
	warps := (k.threads + 31) / 32
	ofRegisters := 65536 / ((k.registers*32 + 255) / 256 * 256) / warps
	return min(ofRegisters, shared/(k.shared+1024), 64/warps, 32) * warps * 32
}

var (
	entry     = regexp.MustCompile(`Compiling entry function '(\w+)'`)
	spill     = regexp.MustCompile(`(\d+) bytes spill stores, (\d+) bytes spill loads`)
	registers = regexp.MustCompile(`Used (\d+) registers`)
	shared    = regexp.MustCompile(`(\d+) bytes smem`)
	maxThread = regexp.MustCompile(`(?s)\.entry (\w+)\([^{]*?\.maxntid (\d+)`)
	function  = regexp.MustCompile(`Function : (\w+)`)
	// An instruction: its address, a predicate, its name, and a branch's target.
	instruction = regexp.MustCompile(`/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\d?T?\s+)?([A-Z][A-Z0-9_.]*)(.*?);`)
	target      = regexp.MustCompile(`0x([0-9a-f]+)`)
)

func (t tools) assemble(file, arch string) ([]kernel, error) {
	c, err := t.compile(file, arch)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	threads := map[string]int{}
	for _, m := range maxThread.FindAllStringSubmatch(string(text), -1) {
		threads[m[1]], _ = strconv.Atoi(m[2])
	}
	loops := hotLoops(c.SASS)
	var out []kernel
	for _, part := range strings.Split(c.Said, "ptxas info    : Compiling")[1:] {
		m := entry.FindStringSubmatch("Compiling" + part)
		if m == nil {
			continue
		}
		// A kernel without launch bounds is launched with 256 threads.
		k := kernel{name: m[1], threads: 256, loop: loops[m[1]]}
		if t := threads[k.name]; t > 0 {
			k.threads = t
		}
		for _, s := range spill.FindAllStringSubmatch(part, -1) {
			stores, _ := strconv.Atoi(s[1])
			loads, _ := strconv.Atoi(s[2])
			k.spills += stores + loads
		}
		// ptxas's warning C7510 names the function.
		k.serialized = slices.ContainsFunc(strings.Split(c.Said, "\n"), func(line string) bool {
			return strings.Contains(line, "wgmma") && strings.Contains(line, "serialized") && strings.Contains(line, "'"+k.name+"'")
		})
		k.registers = number(registers, part)
		k.shared = number(shared, part)
		out = append(out, k)
	}
	for i := range out {
		out[i].cpuS = c.CPUSeconds / float64(len(out))
	}
	slices.SortFunc(out, func(a, b kernel) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

func number(r *regexp.Regexp, s string) int {
	n := 0
	if m := r.FindStringSubmatch(s); m != nil {
		n, _ = strconv.Atoi(m[1])
	}
	return n
}

// loop is the instructions of a hot loop in their order; empty where there is none.
type loop []string

// hotLoops finds each function's hot loop: of the innermost loops (a branch
// back over no other loop's start), the one with the most tensor-core instructions,
// or 128-bit accesses where there are none, or instructions; of equals the shortest.
func hotLoops(sass string) map[string]loop {
	out := map[string]loop{}
	parts := function.FindAllStringSubmatchIndex(sass, -1)
	for i, p := range parts {
		last := len(sass)
		if i+1 < len(parts) {
			last = parts[i+1][0]
		}
		out[sass[p[2]:p[3]]] = hotLoop(sass[p[1]:last])
	}
	return out
}

func hotLoop(body string) loop {
	type back struct{ from, to int }
	var (
		names []string
		at    = map[int64]int{}
		backs []back
	)
	for _, m := range instruction.FindAllStringSubmatch(body, -1) {
		address, err := strconv.ParseInt(m[1], 16, 64)
		if err != nil {
			continue
		}
		at[address] = len(names)
		names = append(names, m[2])
		to := target.FindStringSubmatch(m[3])
		if !strings.HasPrefix(m[2], "BRA") || to == nil {
			continue
		}
		start, err := strconv.ParseInt(to[1], 16, 64)
		// A branch to itself is the padding after the last instruction.
		if from, ok := at[start]; err == nil && ok && start < address {
			backs = append(backs, back{from, len(names)})
		}
	}
	var best loop
	most := -1
	for _, b := range backs {
		outer := slices.ContainsFunc(backs, func(o back) bool { return o != b && b.from < o.from && o.to <= b.to })
		if l := loop(names[b.from:b.to]); !outer && (l.score() > most || l.score() == most && len(l) < len(best)) {
			most, best = l.score(), l
		}
	}
	return best
}

func (l loop) score() (n int) {
	for _, name := range l {
		switch {
		case isTensor(name):
			n += 1000
		case strings.Contains(name, ".128"):
			n += 10
		case slices.Contains([]string{"FFMA", "DFMA", "LDG"}, kind(name)):
			n++
		}
	}
	return n
}

func kind(name string) string { return strings.Split(name, ".")[0] }

func isTensor(name string) bool {
	return slices.Contains([]string{"HMMA", "IMMA", "DMMA", "HGMMA", "IGMMA", "QGMMA"}, kind(name))
}

// String is its six commonest instructions.
func (l loop) String() string {
	if len(l) == 0 {
		return "none"
	}
	count := map[string]int{}
	for _, name := range l {
		count[short(name)]++
	}
	names := slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		if count[a] != count[b] {
			return count[b] - count[a]
		}
		return strings.Compare(a, b)
	})
	var text []string
	for _, n := range names[:min(6, len(names))] {
		text = append(text, fmt.Sprintf("%d %s", count[n], n))
	}
	return strings.Join(text, ", ")
}

// short is an instruction without its rarer qualifiers.
func short(name string) string {
	parts := strings.Split(name, ".")
	switch parts[0] {
	case "LDG", "STG", "LDS", "STS":
		if strings.Contains(name, ".128") {
			return parts[0] + ".128"
		}
	case "HMMA", "IMMA", "DMMA", "HGMMA", "IGMMA", "QGMMA":
		return strings.Join(parts[:min(2, len(parts))], ".")
	}
	return parts[0]
}
