// Package contract holds requests to Horizon Server and its answers against the
// OpenAPI documents that the vendor publishes with each release. The documents
// are sealed first: an object has the members that its schema names and no
// other, in requests and in answers, so that a misspelt member, or one of
// a later release, is a violation. What is known to be wrong in the documents
// stands in correction.go.
//
// The documents are no part of the project. Without them, tests that need them
// are skipped. It is imported by tests only.
package contract
