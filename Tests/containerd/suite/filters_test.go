// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The graphctl authors

package suite

import (
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/containerd/containerd/filters"
)

// layer is what the store has, with the fields that filters ask for.
type layer struct {
	id, name, kind, parent string
	labels                 map[string]string
}

func (l layer) Field(path []string) (string, bool) {
	if len(path) == 0 {
		return "", false
	}
	if path[0] == "labels" {
		if len(path) < 2 {
			return "", false
		}
		value, ok := l.labels[strings.Join(path[1:], ".")]
		return value, ok
	}
	if len(path) > 1 {
		return "", false
	}
	switch path[0] {
	case "id":
		return l.id, true
	case "name":
		return l.name, l.name != ""
	case "kind":
		return l.kind, true
	case "parent":
		return l.parent, l.parent != ""
	}
	return "", false
}

var layers = []layer{
	{"base", "", "committed", "", map[string]string{"a": "1", "a.b/c": "x y"}},
	{"one", "ns/1/k8s", "active", "base", map[string]string{"a": "2", "empty": ""}},
	{"two", "k8s pause", "view", "base", nil},
	{"three", "\u00fc,\"", "active", "", map[string]string{"a": "1", "\u00fc": "\u00fc"}},
}

// pieces of filters: most of what is made of them makes no sense.
var pieces = []string{
	"id", "name", "kind", "parent", "labels", "labels.a", `labels."a.b/c"`, "labels.empty", `labels."\u00fc"`,
	"==", "==", "!=", "!=", "~=", "=", "!", "~", ",", ",", ".", " ", "\t", "a", "1", "2", "active", "view", "committed",
	`"ns/1/k8s"`, `"k8s pause"`, "k8s", `"x y"`, `"\xc3\xbc,\""`, `"\303\274"`, `"\u00fc"`, `"\q"`, `"`, "base", `""`,
	"/^k8s/", "|^(one\\|two)$|", `"a.*e$"`, "/[/", "/k{1,3}8/", "/./", `/\\./`, "\u00fc", "&", "'", "_", "\u2028",
}

func TestFilters(t *testing.T) {
	graphctl := func(words ...string) (string, int) {
		command := exec.Command(os.Getenv("GRAPHCTL"), words...)
		out, err := command.Output()
		if err != nil && command.ProcessState == nil {
			t.Fatal(err)
		}
		return string(out), command.ProcessState.ExitCode()
	}
	dir := t.TempDir()
	where := []string{"--root", filepath.Join(dir, "root"), "--run-root", filepath.Join(dir, "run")}
	for _, layer := range layers {
		verb := []string{"create"}
		if layer.kind == "view" {
			verb = []string{"view"}
		}
		verb = append(verb, "--driver", "vfs", "--id", layer.id)
		if layer.name != "" {
			verb = append(verb, "--name", layer.name)
		}
		if layer.parent != "" {
			verb = append(verb, "--parent", layer.parent)
		}
		for key, value := range layer.labels {
			verb = append(verb, "--label", key+"="+value)
		}
		commands := [][]string{verb}
		if layer.kind == "committed" {
			commands = append(commands, []string{"commit", layer.id})
		}
		for _, command := range commands {
			if _, status := graphctl(append(where, command...)...); status != 0 {
				t.Fatalf("%v: status %d", command, status)
			}
		}
	}
	seed, err := strconv.ParseInt(os.Getenv("GRAPH_TEST_SEED"), 10, 64)
	if err != nil {
		seed = 1
	}
	random := rand.New(rand.NewSource(seed))
	valid, refused := 0, 0
	for i := 0; i < 3000; i++ {
		text := ""
		for n := random.Intn(8) + 1; n > 0; n-- {
			text += pieces[random.Intn(len(pieces))]
		}
		if i%2 == 0 { // of the right form
			text = pieces[random.Intn(9)] + pieces[9+random.Intn(5)] + pieces[22+random.Intn(len(pieces)-22)]
		}
		out, status := graphctl(append(where, "ls", "-q", "--where", text)...)
		if status != 0 && status != 64 {
			t.Fatalf("seed %d: %q ends graphctl with %d", seed, text, status)
		}
		filter, err := filters.Parse(text)
		if err != nil {
			refused++
			if status == 0 {
				t.Errorf("seed %d: %q is no filter to containerd (%v), and one to us", seed, text, err)
			}
			continue
		}
		if status != 0 {
			// A pattern that only Go's regular expressions have, or none at all, which containerd takes for one that
			// never matches.
			if !strings.Contains(text, "~=") {
				t.Errorf("seed %d: %q is a filter to containerd, and none to us", seed, text)
			}
			continue
		}
		valid++
		wanted := ""
		for _, layer := range layers {
			if filter.Match(layer) {
				wanted += layer.id + "\n"
			}
		}
		if out != wanted {
			t.Errorf("seed %d: %q picks %q to containerd, and %q to us", seed, text, wanted, out)
		}
	}
	if valid < 300 || refused < 300 {
		t.Errorf("%d filters were valid, %d were not", valid, refused)
	}
	t.Logf("filters: %d mean the same to containerd, %d it refuses too", valid, refused)
}
