import { secretOf } from '../canary-parameters.ts';
import type { ToolCallTable } from './table.ts';

const guest = { cluster: 'production', vmid: 100 };

export const AGENT_CALLS: ToolCallTable = {
  inspect_guest: guest,
  run_in_guest: { ...guest, command: ['hostname'], wait_seconds: 2 },
  read_guest_file: { ...guest, file: '/etc/hostname' },
  write_guest_file: { ...guest, file: '/root/made', content: 'made' },
  freeze_guest: { ...guest, action: 'freeze' },
  trim_guest: guest,
  set_guest_password: {
    ...guest,
    username: 'root',
    password: secretOf('the password of a user in a guest'),
  },
};
