import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Paths of a certificate and of its key, in PEM. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** What {@link makeCertificates} makes. */
export interface Certificates {
  /** The authority that signed those of the server and the client. */
  readonly ca: string;
  readonly server: CertificateFiles;
  readonly client: CertificateFiles;
  /** Signed by an authority that nobody trusts. */
  readonly foreign: CertificateFiles;
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** Makes authorities and certificates in a folder, valid for two days. */
export function makeCertificates(folder: string): Certificates {
  const openssl = (...args: readonly string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const authority = (name: string): void => {
    openssl(
      'req',
      '-x509',
      ...KEY,
      '-days',
      '2',
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
      '-subj',
      `/CN=${name}`,
    );
  };
  const signed = (name: string, by: string): CertificateFiles => {
    openssl('req', '-new', ...KEY, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const signer = ['-CA', `${by}.pem`, '-CAkey', `${by}.key`, '-CAcreateserial', '-days', '2'];
    openssl('x509', '-req', '-in', `${name}.csr`, ...signer, '-copy_extensions', 'copy', '-out', `${name}.pem`);
    return { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
  };
  authority('ca');
  authority('other-ca');
  return {
    ca: join(folder, 'ca.pem'),
    server: signed('server', 'ca'),
    client: signed('client', 'ca'),
    foreign: signed('foreign', 'other-ca'),
  };
}
