// Package bench measures the provider against baselines of the same run: what
// Terraform itself costs (terraform_data), what the framework and the schema
// cost (the provider built with the tag idle, which calls no server), and what
// reading images one by one costs (batch_reads = false). `make bench` runs it;
// nothing in it is a unit test.
package bench
