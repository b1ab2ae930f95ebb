// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The graphctl authors

// Package suite runs containerd's own test suite for snapshotters against graphd, by way of containerd's client
// for snapshotters from outside. GRAPHD is the daemon, DRIVER the driver of its stores.
package suite

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	snapshotsapi "github.com/containerd/containerd/api/services/snapshots/v1"
	"github.com/containerd/containerd/pkg/testutil"
	"github.com/containerd/containerd/snapshots"
	"github.com/containerd/containerd/snapshots/proxy"
	"github.com/containerd/containerd/snapshots/testsuite"
	"google.golang.org/grpc"
)

// start runs a daemon over a new store, and returns its snapshotter and what ends it.
func start(ctx context.Context, root string) (snapshots.Snapshotter, func() error, error) {
	run, err := os.MkdirTemp("/run", "graphd-") // a socket's path has at most 107 bytes
	if err != nil {
		return nil, nil, err
	}
	address := filepath.Join(run, "s")
	daemon := exec.Command(os.Getenv("GRAPHD"), "--root", filepath.Join(root, "store"),
		"--run-root", filepath.Join(run, "run"), "--address", address, "--driver", os.Getenv("DRIVER"))
	daemon.Stderr = os.Stderr
	if err := daemon.Start(); err != nil {
		return nil, nil, err
	}
	wait, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	connection, err := grpc.DialContext(wait, "unix://"+address, grpc.WithBlock(), grpc.WithInsecure())
	if err != nil {
		return nil, nil, fmt.Errorf("the daemon does not answer: %w", err)
	}
	snapshotter := proxy.NewSnapshotter(snapshotsapi.NewSnapshotsClient(connection), "graph")
	return snapshotter, func() error {
		removed := removeAll(snapshotter)
		connection.Close()
		for _, err := range []error{
			removed, daemon.Process.Signal(syscall.SIGTERM), daemon.Wait(), os.RemoveAll(run),
		} {
			if err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// removeAll removes every snapshot, children first: what a driver made is not always a plain directory.
func removeAll(snapshotter snapshots.Snapshotter) error {
	ctx := context.Background()
	var names []string
	err := snapshotter.Walk(ctx, func(_ context.Context, info snapshots.Info) error {
		names = append(names, info.Name)
		return nil
	})
	for i := len(names) - 1; i >= 0 && err == nil; i-- {
		err = snapshotter.Remove(ctx, names[i])
	}
	if cleaner, ok := snapshotter.(snapshots.Cleaner); ok && err == nil {
		err = cleaner.Cleanup(ctx)
	}
	return err
}

func TestGraphd(t *testing.T) {
	testutil.RequiresRoot(t)
	testsuite.SnapshotterSuite(t, "graphd", start)
}
