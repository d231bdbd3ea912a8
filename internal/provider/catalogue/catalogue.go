// Package catalogue holds the resources of the Horizon image catalogue (streams,
// versions, tags and assets), and the data sources for them and for what stands
// around them: vCenters, datacenters, base VMs, snapshots and desktop pools.
package catalogue
