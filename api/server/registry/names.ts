/** Kubernetes' rules for names and keys. Each check answers what is wrong, or nothing. */

const labelPattern = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const subdomainPattern = `${labelPattern}(\\.${labelPattern})*`;
const namePartPattern = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const labelValuePattern = `(${namePartPattern})?`;

const dnsLabel = new RegExp(`^${labelPattern}$`);
const dnsSubdomain = new RegExp(`^${subdomainPattern}$`);
const namePart = new RegExp(`^${namePartPattern}$`);
const labelValue = new RegExp(`^${labelValuePattern}$`);

function tooLong(length: number): string {
  return `must be no more than ${length} characters`;
}

function regexText(explanation: string, pattern: string, ...examples: string[]): string {
  const shown = examples.map((example) => `'${example}'`).join(',  or ');
  return `${explanation} (e.g. ${shown}, regex used for validation is '${pattern}')`;
}

/** RFC 1123 label: what a namespace is called. */
export function dnsLabelErrors(text: string): string[] {
  const errors = text.length > 63 ? [tooLong(63)] : [];
  if (dnsLabel.test(text)) return errors;
  const explanation =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
  return [...errors, regexText(explanation, labelPattern, 'my-name', '123-abc')];
}

/** RFC 1123 subdomain: what every other object is called. */
export function dnsSubdomainErrors(text: string): string[] {
  const errors = text.length > 253 ? [tooLong(253)] : [];
  if (dnsSubdomain.test(text)) return errors;
  const explanation =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
  return [...errors, regexText(explanation, subdomainPattern, 'example.com')];
}

/** Keys of labels and annotations, and finalizers: `[prefix/]name`. */
export function qualifiedNameErrors(text: string): string[] {
  const parts = text.split('/');
  const explanation =
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
  if (parts.length > 2) {
    const whole = regexText(
      "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
      namePartPattern,
      'MyName',
      'my.name',
      '123-abc',
    );
    return [`${whole} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];
  }
  const name = parts.at(-1) ?? '';
  const prefix = parts.length === 2 ? (parts[0] ?? '') : undefined;
  const errors: string[] = [];
  if (prefix === '') errors.push('prefix part must be non-empty');
  else if (prefix !== undefined) {
    errors.push(...dnsSubdomainErrors(prefix).map((error) => `prefix part ${error}`));
  }
  if (name === '') errors.push('name part must be non-empty');
  else if (name.length > 63) errors.push(`name part ${tooLong(63)}`);
  if (!namePart.test(name)) {
    errors.push(regexText(explanation, namePartPattern, 'MyName', 'my.name', '123-abc'));
  }
  return errors;
}

export function labelValueErrors(text: string): string[] {
  const errors = text.length > 63 ? [tooLong(63)] : [];
  if (labelValue.test(text)) return errors;
  const explanation =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
  return [...errors, regexText(explanation, labelValuePattern, 'MyValue', 'my_value', '12345')];
}
