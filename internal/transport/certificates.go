package transport

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

func newTLSConfig(o Options) (*tls.Config, error) {
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: o.Insecure, //nolint:gosec // The user's own decision, under an argument of this name.
	}
	if o.CACert != "" {
		text, err := pemText(o.CACert)
		if err != nil {
			return nil, fmt.Errorf("CA certificate (cacert): %w", err)
		}
		// In addition to the system's: one catalogue may name services with certificates of both kinds.
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(text) {
			return nil, errors.New("CA certificate (cacert): there is PEM text, but no valid certificate in it")
		}
		config.RootCAs = pool
	}
	certificate, err := clientCertificate(o.ClientCert, o.ClientKey)
	if err != nil {
		return nil, err
	}
	if certificate != nil {
		config.Certificates = []tls.Certificate{*certificate}
	}
	return config, nil
}

// clientCertificate returns nil when neither is given.
func clientCertificate(cert, key string) (*tls.Certificate, error) {
	if cert == "" && key == "" {
		return nil, nil
	}
	if cert == "" {
		return nil, errors.New("client key (key): there is no client certificate (cert) that belongs to it")
	}
	certText, err := pemText(cert)
	if err != nil {
		return nil, fmt.Errorf("client certificate (cert): %w", err)
	}
	keyText := certText
	if key != "" {
		if keyText, err = pemText(key); err != nil {
			return nil, fmt.Errorf("client key (key): %w", err)
		}
	}
	if !hasBlock(certText, "CERTIFICATE") {
		return nil, errors.New("client certificate (cert): there is PEM text, but no certificate in it")
	}
	if strings.Contains(string(keyText), "ENCRYPTED") {
		return nil, errors.New("client key (key): the key is encrypted; give it without a passphrase")
	}
	if !hasBlock(keyText, "PRIVATE KEY") {
		if key == "" {
			return nil, errors.New("client certificate (cert): there is no client key (key) that belongs to it")
		}
		return nil, errors.New("client key (key): there is PEM text, but no private key in it")
	}
	pair, err := tls.X509KeyPair(certText, keyText)
	if err != nil {
		return nil, fmt.Errorf("client certificate and key (cert, key) do not go together: %w", err)
	}
	return &pair, nil
}

// pemText returns the PEM text that the value is, or that is in the file it names. Errors quote the value only when it
// cannot be key material.
func pemText(value string) ([]byte, error) {
	text := []byte(value)
	where := "the text"
	if !strings.Contains(value, "-----BEGIN") {
		path := strings.TrimSpace(value)
		if looksLikeMaterial(path) {
			return nil, errors.New("the value is neither a path nor PEM text, which begins with a line -----BEGIN")
		}
		if rest, found := strings.CutPrefix(path, "~/"); found {
			if home, err := os.UserHomeDir(); err == nil {
				path = filepath.Join(home, rest)
			}
		}
		var err error
		if text, err = os.ReadFile(path); err != nil {
			return nil, unreadable(path, err)
		}
		where = fmt.Sprintf("the file %q", path)
	}
	if block, _ := pem.Decode(text); block == nil {
		return nil, fmt.Errorf("%s has no PEM block", where)
	}
	return text, nil
}

func unreadable(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the file %q does not exist", path)
	}
	return fmt.Errorf("the file cannot be read: %w", err)
}

// looksLikeMaterial recognises a certificate or key whose PEM frame was lost: text of several lines, or base64 of DER,
// which begins with "M".
func looksLikeMaterial(value string) bool {
	if strings.ContainsAny(value, "\n\r") || len(value) > 1024 {
		return true
	}
	_, err := base64.StdEncoding.DecodeString(value)
	return err == nil && strings.HasPrefix(value, "M") && len(value) >= 40
}

func hasBlock(text []byte, kind string) bool {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if strings.HasSuffix(block.Type, kind) {
			return true
		}
	}
	return false
}
