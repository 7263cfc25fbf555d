/** Whether a kernel of that release (`6.1.0-13-amd64`) is of this version or a later one. */
export function since(release: string, [wantMajor, wantMinor]: readonly [number, number]): boolean {
  const [major = 0, minor = 0] = release.split('.').map(Number);
  return major > wantMajor || (major === wantMajor && minor >= wantMinor);
}
