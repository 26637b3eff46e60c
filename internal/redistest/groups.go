package redistest

import (
	"strconv"
	"strings"
	"testing"
)

// slots is the number of hash slots of a Cluster.
const slots = 16384

// StartCluster starts a Cluster of n masters without replicas and waits until all of them serve.
func StartCluster(t testing.TB, n int, o Options) []*Server {
	t.Helper()
	o.Config = append([]string{"cluster-enabled yes", "cluster-node-timeout 2000"}, o.Config...)
	if o.TLS != nil {
		o.Config = append(o.Config, "tls-cluster yes", "tls-replication yes")
	}
	nodes := make([]*Server, n)
	for i := range nodes {
		nodes[i] = Start(t, o)
		first, last := i*slots/n, (i+1)*slots/n-1
		nodes[i].Do("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(last))
		nodes[i].Do("CONFIG", "SET", "cluster-announce-ip", "127.0.0.1")
		nodes[i].Do("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
	}
	for _, node := range nodes[1:] {
		h, p := split(node.Addr)
		nodes[0].Do("CLUSTER", "MEET", h, p)
	}
	for _, node := range nodes {
		Eventually(t, "the cluster does not form", func() bool {
			info, err := node.Try("CLUSTER", "INFO")
			return err == nil && strings.Contains(info, "cluster_state:ok") &&
				strings.Contains(info, "cluster_known_nodes:"+strconv.Itoa(n)+"\r") &&
				strings.Contains(info, "cluster_slots_ok:"+strconv.Itoa(slots)+"\r")
		})
	}
	return nodes
}

// MasterSet is the name of the set that StartSentinel's sentinel watches.
const MasterSet = "sessions"

// StartSentinel starts a master, a replica of it that is in step, and a sentinel that fails over after half a second.
func StartSentinel(t testing.TB) (sentinel, master, replica *Server) {
	t.Helper()
	master = Start(t, Options{Config: []string{"repl-diskless-sync-delay 0"}})
	h, p := split(master.Addr)
	replica = Start(t, Options{Config: []string{"replicaof " + h + " " + p}})
	Eventually(t, "the replica does not follow", func() bool {
		info, err := replica.Try("INFO", "replication")
		return err == nil && strings.Contains(info, "master_link_status:up")
	})
	sentinel = Start(t, Options{sentinel: true, Config: []string{
		"sentinel monitor " + MasterSet + " " + h + " " + p + " 1",
		"sentinel down-after-milliseconds " + MasterSet + " 500",
		"sentinel failover-timeout " + MasterSet + " 3000",
	}})
	Eventually(t, "the sentinel does not find the replica", func() bool {
		info, err := sentinel.Try("SENTINEL", "REPLICAS", MasterSet)
		return err == nil && strings.Contains(info, replica.Addr)
	})
	return sentinel, master, replica
}

// MoveSlot gives a slot and its records from one master of a Cluster to another.
func MoveSlot(t testing.TB, from, to *Server, slot string) {
	t.Helper()
	fromID, toID := from.Do("CLUSTER", "MYID"), to.Do("CLUSTER", "MYID")
	to.Do("CLUSTER", "SETSLOT", slot, "IMPORTING", fromID)
	from.Do("CLUSTER", "SETSLOT", slot, "MIGRATING", toID)
	h, p := split(to.Addr)
	if keys := from.Do("CLUSTER", "GETKEYSINSLOT", slot, "1000"); keys != "" {
		from.Do(append([]string{"MIGRATE", h, p, "", "0", "5000", "KEYS"}, strings.Split(keys, "\n")...)...)
	}
	to.Do("CLUSTER", "SETSLOT", slot, "NODE", toID)
	from.Do("CLUSTER", "SETSLOT", slot, "NODE", toID)
}
