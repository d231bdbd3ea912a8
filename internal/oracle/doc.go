// Package oracle holds tests that compare the provider's code with that of a
// vendor. It is a module of its own, so that users of the provider do not
// download what only these tests need.
package oracle
